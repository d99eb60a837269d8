# One image with everything that runs in the pods of kube-system. Each of their images is this one by another name.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends catatonit conntrack iproute2 iptables kmod nftables \
    && rm -rf /var/lib/apt/lists/*
COPY bin/ /usr/local/bin/
