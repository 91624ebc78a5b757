#!/usr/bin/env bash
# Called by `mim download mmktn --dataset crowdpose` with the download folder and the data folder.
set -euo pipefail
download_dir=$1
data_root=$2
mkdir -p "$data_root"
tar -xzf "$download_dir/OpenDataLab___CrowdPose/raw/CrowdPose.tar.gz" -C "$data_root"
rm -r "$download_dir/OpenDataLab___CrowdPose"
