"""The data plane: what one request passes through, a folder for each stage and a module for each station."""
