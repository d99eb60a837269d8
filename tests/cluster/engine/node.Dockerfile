# What kind builds its node image on: systemd, containerd and kind's own files. kind's Dockerfile downloads containerd and
# other things; this one takes them from Debian 12, whose systemd also starts on cgroup v1.
FROM docker.io/library/debian:bookworm-slim
COPY files/usr/local/bin/ /usr/local/bin/
COPY files/kind/ /kind/
COPY files/etc/ /etc/
# As in kind's Dockerfile: no unit of systemd's that a container has no use for, and the hook for product files.
# restrict_oom_score_adj: without CAP_SYS_RESOURCE nobody can lower oom_score_adj.
RUN chmod 755 /kind /kind/bin /kind/bin/* /usr/local/bin/* \
    && echo 'path-exclude /usr/share/doc/*' > /etc/dpkg/dpkg.cfg.d/doc \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-confold \
        bash ca-certificates catatonit conntrack containerd containernetworking-plugins curl e2fsprogs ethtool iproute2 \
        iptables jq kmod libseccomp2 mount nftables procps runc systemd util-linux \
    && rm -rf /var/lib/apt/lists/* /var/lib/containerd \
    && find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete \
    && rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
        /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
        /lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/* \
    && echo ReadKMsg=no >> /etc/systemd/journald.conf \
    && ln -sf /lib/systemd/systemd /sbin/init \
    && ln -s /usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /usr/local/bin/ \
    && mkdir -p /opt/cni /etc/kubernetes/manifests \
    && ln -s /usr/lib/cni /opt/cni/bin \
    && systemctl enable kubelet.service containerd.service undo-mount-hacks.service \
    && systemctl mask systemd-binfmt.service \
    && /usr/bin/ctr oci spec \
        | jq '.hooks.createContainer |= . + [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
        > /etc/containerd/cri-base.json \
    && sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
COPY crictl ctr /usr/local/bin/
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
