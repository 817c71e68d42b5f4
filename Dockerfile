# syntax=docker/dockerfile:1
# All processes of the service use this image; docker-compose.yml says which command each of them runs.
#
# On x86-64 the package index's torch runs on both CPUs and NVIDIA GPUs, and is large. For a small CPU-only image, set
# TORCH_INDEX_URL to PyTorch's CPU wheel index (https://pytorch.org/get-started/locally/ gives its address):
#     docker build --build-arg TORCH_INDEX_URL=... .
ARG PYTHON_VERSION=3.11.14

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ARG TORCH_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/latentaug
WORKDIR /src
# torch comes first, in a layer of its own, because it is most of the image and changes least. `make lock` writes the locks;
# pip takes no file whose hash they do not name. Another index has other builds of torch, so there its version alone counts.
COPY constraints.txt requirements-torch.lock ./
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        /opt/latentaug/bin/pip install --no-compile --constraint constraints.txt --index-url "$TORCH_INDEX_URL" torch; \
    else \
        /opt/latentaug/bin/pip install --no-compile --require-hashes --no-deps --requirement requirements-torch.lock; \
    fi
COPY requirements.lock ./
RUN /opt/latentaug/bin/pip install --no-compile --require-hashes --no-deps --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY latentaug latentaug
COPY service service
COPY worker worker
COPY client client
RUN /opt/latentaug/bin/pip install --no-compile --no-deps --no-build-isolation . && /opt/latentaug/bin/pip check
# Much of what is installed is never loaded by any process of ours. docs/results/image.md says what is taken out.
COPY deploy/image deploy/image
RUN /opt/latentaug/bin/pip uninstall --yes pip \
    && find /opt/latentaug -type d -name __pycache__ -prune -exec rm -r {} + \
    && /opt/latentaug/bin/python -B deploy/image/trim.py /opt/latentaug \
    && /opt/latentaug/bin/python deploy/image/compile.py

FROM python:${PYTHON_VERSION}-slim-bookworm
RUN useradd --uid 10001 --create-home latentaug \
    && install --directory --owner=latentaug --mode=0700 /data
COPY --from=build /opt/latentaug /opt/latentaug
# Nothing but /data and /tmp need be writable; matplotlib keeps its font list in the second.
ENV PATH=/opt/latentaug/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LATENTAUG_HOME=/data MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /home/latentaug
VOLUME /data
# Without a command, the container runs the whole service, with its embedded Redis-compatible server.
CMD ["python", "-m", "service.stack"]
