"""Construction of the procedural human: shape, mesh, charts, parametrisation, skeleton."""
