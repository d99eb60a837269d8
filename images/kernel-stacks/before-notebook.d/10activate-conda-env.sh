#!/bin/bash
# What `eval "$(conda shell.bash hook)"` and `conda activate` leave in the environment.
export CONDA_PREFIX=/opt/conda
export CONDA_DEFAULT_ENV=base
export PATH="/opt/conda/bin:$PATH"
