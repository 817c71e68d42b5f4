# syntax=docker/dockerfile:1
# One image for every process of the service; docker-compose.yml says which command each runs.
#
# On x86-64 the package index's torch runs on CPU and NVIDIA GPUs alike, and is large. For a small CPU-only image, point
# TORCH_INDEX_URL at PyTorch's CPU wheel index (its address: https://pytorch.org/get-started/locally/):
#     docker build --build-arg TORCH_INDEX_URL=... .
ARG PYTHON_VERSION=3.11.14

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ARG TORCH_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/latentaug
WORKDIR /src
COPY constraints.txt pyproject.toml README.md ./
# torch first and in a layer of its own: it is most of the image and changes least.
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        /opt/latentaug/bin/pip install --constraint constraints.txt --index-url "$TORCH_INDEX_URL" torch; \
    else \
        /opt/latentaug/bin/pip install --constraint constraints.txt torch; \
    fi
COPY latentaug latentaug
COPY service service
COPY worker worker
COPY client client
RUN /opt/latentaug/bin/pip install --constraint constraints.txt '.[tracing]'

FROM python:${PYTHON_VERSION}-slim-bookworm
RUN useradd --uid 10001 --create-home latentaug \
    && install --directory --owner=latentaug --mode=0700 /data
COPY --from=build /opt/latentaug /opt/latentaug
ENV PATH=/opt/latentaug/bin:$PATH PYTHONUNBUFFERED=1 LATENTAUG_HOME=/data
USER 10001
WORKDIR /home/latentaug
VOLUME /data
# Without a command: the whole service in one container, with its embedded Redis-compatible server.
CMD ["python", "-m", "service.stack"]
