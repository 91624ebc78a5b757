"""Files of others: pictures and annotation files, read with every bound checked."""
