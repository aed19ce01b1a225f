# SPDX-License-Identifier: GPL-2.0
"""A VRF on lb: a link and addresses with routes of their own."""

from lib.ktap import Skip, wait_until

VRF_VIP = {4: "198.51.100.20", 6: "2001:db8:1::20"}


def with_vrf(lab):
    """Puts lb's link and VIPs into a VRF."""
    done = lab.lb.run("ip", "link", "add", "red", "type", "vrf", "table", "200")
    if done.returncode != 0:
        raise Skip(f"no VRF: {done.stderr.strip()}")
    lab.lb.ip(
        "link set red up",
        "addr add 198.51.100.20/32 dev red",
        "addr add 2001:db8:1::20/128 dev red nodad",
        f"link add port type veth peer name member netns {lab.client.path}",
        "link set port master red",
        "addr add 192.0.3.1/24 dev port",
        "addr add 2001:db8:3::1/64 dev port nodad",
        "link set port up",
    )
    lab.client.ip(
        "addr add 192.0.3.2/24 dev member",
        "addr add 2001:db8:3::2/64 dev member nodad",
        "link set member up",
        "route add 198.51.100.20/32 via 192.0.3.1 src 192.0.3.2",
        "route add 2001:db8:1::20/128 via 2001:db8:3::1 src 2001:db8:3::2",
    )
    # Addresses become usable a moment after they were added.
    wait_until(lambda: "tentative" not in lab.lb.must("ip", "-6", "addr", "show", "dev", "red"),
               "the VRF's address is usable")
