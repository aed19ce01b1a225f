// SPDX-License-Identifier: GPL-2.0

//! Why a request is refused: an error number and a text that says what to change.

use core::ffi::CStr;

/// An error number by its name in `errno.h`; the number differs between architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// `EINVAL`
    Inval,
    /// `EEXIST`
    Exist,
    /// `ENOENT`
    NoEnt,
    /// `ESRCH`
    Srch,
    /// `ERANGE`
    Range,
    /// `EOPNOTSUPP`
    OpNotSupp,
    /// `EADDRINUSE`
    AddrInUse,
    /// `EAFNOSUPPORT`
    AfNoSupport,
    /// `EHOSTUNREACH`
    HostUnreach,
    /// `ELOOP`
    Loop,
    /// `ENOPKG`
    NoPkg,
    /// `EPROTONOSUPPORT`
    ProtoNoSupport,
    /// `ENOMEM`
    NoMem,
    /// `ENOSPC`
    NoSpc,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident => $errno:ident, $text:literal;)*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Every refusal there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the error number of the reply.
            pub const fn errno(self) -> Errno {
                match self {
                    $(Self::$name => Errno::$errno,)*
                }
            }

            /// Returns the text of the reply: what to change.
            pub const fn text(self) -> &'static CStr {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

refusals! {
    /// No scheduler has this name.
    UnknownScheduler => NoPkg,
        c"unknown scheduler: use rr, wrr, lc, wlc, sed, nq, fo, ovf, sh, dh, mh, lblc, lblcr, twos, p2c or jsq";
    /// A bit that is no flag's.
    UnknownFlag => OpNotSupp, c"unknown flag: a newer module may have it";
    /// A flag of one scheduler for a service with another one.
    FlagOfOtherScheduler => Inval,
        c"the scheduler has no such flag: port and fallback are for sh and mh";
    /// A scheduler's table cannot have this size.
    TableSize => Range, c"no such table size: use 4093 or 65537";
    /// A size for a scheduler that has no table of different sizes.
    NoTable => Inval, c"only the scheduler mh has a table size: leave it out";
    /// More destinations than slots in the scheduler's table.
    TooManyForTable => Range,
        c"more destinations than slots in the scheduler's table: use fewer, or table size 65537";
    /// The protocol is neither TCP nor UDP nor SCTP.
    UnknownProtocol => ProtoNoSupport, c"unknown protocol: use tcp, udp or sctp";
    /// The forwarding method is none.
    UnknownMethod => OpNotSupp, c"unknown forwarding method: use nat, steer or auto";
    /// Steering of UDP or SCTP.
    SteerProtocol => OpNotSupp,
        c"only tcp can be steered: use the method nat, or auto, which chooses";
    /// A persistent service is to steer.
    SteerPersistent => Inval,
        c"a persistent service does not steer: give its destinations the method nat or auto, on an \
address other than a loopback one";
    /// A service with the flag sloppy is to steer.
    SteerSloppy => Inval,
        c"a service with the flag sloppy does not steer: give its destinations the method nat or \
auto, on an address other than a loopback one";
    /// The flag uncounted for a service that never steers.
    UncountedNeverSteers => Inval,
        c"only a tcp service that is neither persistent nor sloppy can steer: leave out the flag \
uncounted";
    /// A scheduler that goes by numbers of connections, for a service with the flag uncounted.
    UncountedScheduler => Inval,
        c"the scheduler goes by numbers of connections, which the flag uncounted leaves unknown: use \
rr, wrr, fo, sh, dh or mh, or leave out the flag";
    /// Bounds on the connections of a destination whose service has the flag uncounted.
    UncountedThresholds => Inval,
        c"with the flag uncounted the number of connections is unknown: leave out the flag, or \
max-connections of all destinations";
    /// Connections are to be ended of which there is no record.
    UncountedCut => Inval,
        c"the flag uncounted left connections unrecorded, so they cannot be ended: delete without \
--now, and with net.ipv4.vs.expire_nodest_conn=0";
    /// Some destinations of a service are to be steered to and others not.
    MixedMethods => Inval,
        c"a service steers to all of its destinations or to none: give them the method auto first, \
then the one you want";
    /// A port is 0.
    PortZero => Inval, c"port 0 cannot be served: use a port from 1 to 65535";
    /// The last port of a range is below its first.
    PortRange => Inval, c"the last port is below the first: swap them";
    /// A number that is no user's.
    UnknownUser => Inval,
        c"no such user in the user namespace that owns this network namespace: use one that it maps";
    /// A destination's user, where its socket is not asked.
    UserProtocol => OpNotSupp,
        c"whose socket listens is known for tcp and udp only: leave out the user";
    /// The weight has more than 16 bits.
    WeightRange => Range, c"weight out of range: use 0 to 65535";
    /// The lower bound on a destination's connections is above the upper one.
    Thresholds => Range,
        c"min-connections is above max-connections: lower it, or raise max-connections";
    /// A timeout is too long.
    TimeoutRange => Range,
        c"timeout out of range: use 1 to 2147483647 seconds, or 0 to have none set";
    /// A service is to be persistent for too long.
    PersistenceRange => Range,
        c"persistence out of range: use 1 to 2147483647 seconds, or 0 to end it";
    /// Slow start has more than 16 bits.
    SlowStartRange => Range, c"slow start out of range: use 1 to 65535 seconds, or 0 to have none";
    /// A prefix of no address.
    PrefixLength => Range,
        c"prefix length out of range: use 1 to 32 for IPv4 or 1 to 128 for IPv6";
    /// A prefix length for a service that is not persistent.
    NotPersistent => Inval,
        c"only a persistent service has a prefix length: give the seconds as well";
    /// An address has neither 4 nor 16 bytes.
    AddressLength => Inval, c"an address has 4 bytes for IPv4 or 16 bytes for IPv6";
    /// A multicast or broadcast address.
    NotUnicast => Inval, c"multicast and broadcast addresses do not work: use a unicast address";
    /// An IPv4 address written as an IPv6 one, which no packet has.
    MappedAddress => Inval,
        c"packets never have an IPv4-mapped address: use the IPv4 address itself, without ::ffff:";
    /// A destination on the wildcard address, of a service on another one.
    WildcardDestination => Inval,
        c"only a service on the wildcard address has destinations there: use an address";
    /// An IPv6 address on a kernel without IPv6.
    NoIpv6 => AfNoSupport,
        c"this kernel runs without IPv6: boot it without ipv6.disable=1, or use an IPv4 address";
    /// IPv4 delivers nothing from outside to 127.0.0.0/8.
    LoopbackForNat4 => HostUnreach,
        c"the kernel delivers no remote client's packet there: bind the process to the service \
address or 0.0.0.0, or set net.ipv4.conf.all.route_localnet=1";
    /// IPv6 delivers nothing from outside to ::1.
    LoopbackForNat6 => HostUnreach,
        c"the kernel delivers no remote client's packet there: bind the process to the service \
address or ::";
    /// Service and destination are of different families.
    FamilyMismatch => AfNoSupport,
        c"service and destination differ in address family: use IPv4 or IPv6 for both";
    /// A destination is where its own service is.
    OwnService => Loop, c"the destination is its own service: use another port or address";
    /// One-packet scheduling of TCP or SCTP.
    OnePacketProtocol => Inval, c"only a udp service schedules each packet: leave out the flag ops";
    /// One-packet scheduling for a service that is persistent.
    OnePacketPersistent => Inval,
        c"with the flag ops nothing is remembered of a client: leave it out, or persistent";
    /// One-packet scheduling by a service on the wildcard address to another address.
    OnePacketAddress => Inval,
        c"with the flag ops a service on the wildcard address has destinations on its own \
address only: name them by their port";
    /// A destination of a service with one-packet scheduling that is another service's too.
    SharedDestination => AddrInUse,
        c"with the flag ops nobody else may have a destination there: use another port or address, \
or leave out the flag";
    /// The service is there already.
    ServiceExists => Exist, c"the service exists already: change it with edit";
    /// The destination is there already.
    DestinationExists => Exist, c"the destination exists already: change it with edit";
    /// There is no such service.
    NoService => Srch, c"no such service: add it first";
    /// There is no such destination.
    NoDestination => NoEnt, c"the service has no such destination: add it first";
    /// A request of the family IPVS does not say which service it is about.
    IpvsService => Inval,
        c"a service needs AF, and FWMARK or all of PROTOCOL, ADDR and PORT";
    /// A request of the family IPVS that adds or changes a service leaves out a part.
    IpvsServiceParts => Inval, c"a service needs SCHED_NAME, FLAGS, TIMEOUT and NETMASK";
    /// A request of the family IPVS does not say which destination it is about.
    IpvsDestination => Inval, c"a destination needs ADDR and PORT";
    /// A request of the family IPVS that adds or changes a destination leaves out a part.
    IpvsDestinationParts => Inval,
        c"a destination needs FWD_METHOD, WEIGHT, U_THRESH and L_THRESH";
    /// An address family that is neither AF_INET nor AF_INET6.
    IpvsFamily => AfNoSupport, c"unknown address family: use AF_INET or AF_INET6";
    /// A destination of another family than its service, asked for through the family IPVS.
    IpvsMixedFamilies => Inval,
        c"service and destination differ in address family, which only tunnels can";
    /// No scheduler has this name, for the family IPVS.
    IpvsScheduler => NoEnt,
        c"no such scheduler: use rr, wrr, lc, wlc, sed, nq, fo, ovf, sh, dh, mh, lblc, lblcr, twos, \
p2c or jsq";
    /// A service without a scheduler.
    IpvsNoScheduler => OpNotSupp,
        c"a service without a scheduler is not supported: give its destinations the weight 0";
    /// Persistence by what a protocol says.
    IpvsEngine => OpNotSupp,
        c"the persistence engine sip is not supported yet: leave it out";
    /// No persistence engine has this name.
    IpvsUnknownEngine => NoEnt, c"no such persistence engine: leave it out";
    /// A prefix length that IPv6 does not have.
    IpvsPrefix => Inval, c"prefix length out of range: use 1 to 128";
    /// A mask that is no network's.
    IpvsNetmask => OpNotSupp,
        c"the netmask has to be that of a network, from 128.0.0.0 to 255.255.255.255";
    /// A persistent service without a time.
    IpvsPersistentZero => Inval,
        c"a persistent service needs a timeout of 1 second at least: leave out the flag, or set it";
    /// A service by a mark that the firewall sets.
    IpvsMark => OpNotSupp,
        c"services by firewall mark are not supported yet: use a protocol, an address and a port";
    /// A service on all ports.
    IpvsAllPorts => OpNotSupp,
        c"a service on all ports is not supported yet: add one for each port";
    /// Masquerading to another host, or to an address that may come and that no service has.
    IpvsRemote => OpNotSupp,
        c"not an address of this host, nor of a service here: other hosts are not supported yet";
    /// The forwarding method of a host's own processes, which changes nothing in a packet.
    IpvsLocalNode => OpNotSupp,
        c"forwarding without a change of the port is not supported: use masquerading (-m)";
    /// Forwarding by the link layer.
    IpvsDirect => OpNotSupp,
        c"direct routing is not supported yet: for a port of this host use masquerading (-m)";
    /// Forwarding by tunnel.
    IpvsTunnel => OpNotSupp,
        c"tunnels are not supported yet: for a port of this host use masquerading (-m)";
    /// A forwarding method that is never set.
    IpvsMethod => OpNotSupp, c"no such forwarding method: use masquerading (-m)";
    /// An upper threshold of more than 31 bits.
    IpvsThresholdRange => Inval, c"upper threshold out of range: use 0 to 2147483647";
    /// A UDP tunnel without a port.
    IpvsTunnelPort => Inval, c"a GUE tunnel needs a port";
    /// A timeout that IPVS cannot have.
    IpvsTimeoutRange => Inval,
        c"timeout out of range: use less, or 0 to leave it as it is";
    /// A request of the family IPVS to start or stop the synchronisation leaves out a part.
    IpvsDaemonParts => Inval,
        c"a synchronisation daemon needs STATE, and to be started MCAST_IFN and SYNC_ID";
    /// Connections are not synchronised between hosts.
    IpvsDaemon => OpNotSupp, c"synchronising connections with other hosts is not supported yet";
    /// The namespace has as many services as it may.
    TooManyServices => NoSpc,
        c"as many services as net.ipv4.vs.svc_max allows in this network namespace: delete some, or \
have the host's administrator raise it";
    /// The namespace has as many destinations as it may, or so many are draining.
    TooManyDestinations => NoSpc,
        c"more destinations, or draining ones, than net.ipv4.vs.dest_max allows in this network \
namespace: use fewer, or have the host's administrator raise it";
    /// Memory is short.
    NoMemory => NoMem, c"the kernel is out of memory: nothing was changed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_distinct_and_whole() {
        for (index, refusal) in Refusal::ALL.iter().enumerate() {
            let text = refusal.text().to_str().unwrap();
            assert!(text.is_ascii() && !text.ends_with('.'), "{text}");
            assert!(!text.contains("  ") && text == text.trim(), "{text}");
            assert!((10..=170).contains(&text.len()), "{text}");
            for other in &Refusal::ALL[index + 1..] {
                assert_ne!(refusal.text(), other.text());
            }
        }
    }
}
