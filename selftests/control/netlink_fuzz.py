# SPDX-License-Identifier: GPL-2.0
"""The family rlvs survives a storm of random messages (lib/storm.py)."""

from lib.clients import talk
from lib.events import Events
from lib.genl import N, Error, Genl, attr, destination, service
from lib.ktap import check, equal
from lib.lab import FLOWS, TCP4
from lib.storm import SECONDS, Storm, judge_state, kinds

LIMIT = SECONDS + 240
KINDS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc", "lblcr",
         "twos", "p2c")
SCHEDULERS = KINDS + ("", "nosuch", "rr\0junk", "s" * 15, "s" * 16)


class Own(Storm):
    """Messages of the family rlvs."""

    commands = sorted(value for name, value in N.items() if name.startswith("RLVS_CMD_"))

    def identity(self):
        """A service among the few that exist now and then, or one that never will."""
        r = self.random
        flow = r.choice(FLOWS)
        address = r.choice((flow.vip, flow.vip2, flow.any, flow.loopback, "224.0.0.1"))
        return service(flow, r.choice((80, 81, 82, 0, 65535)), address,
                       r.choice(SCHEDULERS) if r.random() < 0.3 else None)

    def target(self):
        """A destination or a range of them."""
        r = self.random
        first = r.choice((0, 1, 80, 8001, 8004, 65535, r.randrange(65536)))
        last = min(65535, first + r.randrange(-2, 60)) if r.random() < 0.4 else None
        return destination(
            self.identity(), first, None if last is None else max(0, last),
            r.choice((None, None, "198.51.100.10", "2001:db8:1::10", "127.0.0.1", "203.0.113.1")),
            r.choice((None, 0, 1, 65535, 65536, 0xFFFFFFFF)), r.choice((None, 0, 1, 2, 255)),
            r.choice((None, None, 0, 1, 2)))

    def valid(self):
        r = self.random
        if r.random() < 0.5:
            return self.target()
        return self.identity() + (attr(N["RLVS_A_SERVICE_CUT"]) if r.random() < 0.2 else b"")

    def spares(self, command, attributes):
        """This one may be granted, and cuts the connection that has to live."""
        return command == N["RLVS_CMD_FLUSH"] and N["RLVS_A_SERVICE_CUT"] in kinds(attributes)


def test_the_family_outlives_it(lab):
    for flow in FLOWS:
        lab.servers.listen(flow, range(8001, 8005))
    # A connection of a service that the storm does not know has to live through it.
    lab.balance(TCP4, port=4711)
    kept = talk(lab.client, TCP4, 4711)
    # The last one hears of what the others do.
    connections = [Genl(lab.lb), Genl(lab.lb), Events(lab.lb)]
    Own().rage(connections, lambda: kept.say(b"still there?"))
    judge_state(lab, KINDS)
    connection = Genl(lab.lb)
    check(not isinstance(connection.request(N["RLVS_CMD_FLUSH"]), Error), "flush was refused")
    equal(lab.services(), [], "services after a flush")
    lab.balance(TCP4)
    with talk(lab.client, TCP4) as conversation:
        conversation.bulk(20_000)
