// SPDX-License-Identifier: GPL-2.0

//! Services and destinations as attributes for clients of ip_vs: all that ip_vs writes, in its
//! order.

use kernel::prelude::*;
use rlvs_core::{
    address::Protocol,
    ipvs::{
        address_field,
        destination::MASQUERADING,
        family_number,
        service::{reported_flags, reported_netmask},
    },
};
use rlvs_kext::{
    genetlink::Writer,
    uapi::ipvs::{destination as dest, request as top, service as svc, stats},
};

use crate::{
    config::Configured,
    service::Destination,
    stats::{Report, Stats},
};

/// Writes a service into a nest of its own.
pub(super) fn service(out: &mut Writer<'_>, configured: &Configured) -> Result {
    let key = &configured.service.key;
    let settings = &configured.settings;
    let family = key.address.family();
    out.nest_unmarked(top::SERVICE, |out| {
        out.u16(svc::AF, family_number(family))?;
        out.u16(svc::PROTOCOL, u16::from(key.protocol.number()))?;
        out.bytes(svc::ADDR, &address_field(&key.address))?;
        out.u16_be(svc::PORT, key.port)?;
        out.string(svc::SCHED_NAME, settings.kind.name())?;
        let flags = reported_flags(settings).to_ne_bytes();
        // The flags, and the mask of those that count: all.
        out.bytes(svc::FLAGS, [flags, [0xff; 4]].as_flattened())?;
        out.u32(svc::TIMEOUT, settings.persistence.seconds())?;
        let netmask = reported_netmask(settings.persistence, family);
        out.bytes(svc::NETMASK, &netmask)?;
        both(
            out,
            svc::STATS,
            svc::STATS64,
            &configured.service.shared.stats,
        )
    })
}

/// Writes a destination into a nest of its own. The method is always
/// masquerading, however packets get there, as the clients have none that fits better.
pub(super) fn destination(out: &mut Writer<'_>, of: &Destination) -> Result {
    let family = of.key.address.family();
    out.nest_unmarked(top::DEST, |out| {
        out.bytes(dest::ADDR, &address_field(&of.key.address))?;
        out.u16_be(dest::PORT, of.key.port)?;
        out.u32(dest::FWD_METHOD, MASQUERADING)?;
        out.u32(dest::WEIGHT, u32::from(of.weight()))?;
        out.u8(dest::TUN_TYPE, 0)?;
        out.u16_be(dest::TUN_PORT, 0)?;
        out.u16(dest::TUN_FLAGS, 0)?;
        out.u32(dest::U_THRESH, of.thresholds().upper())?;
        out.u32(dest::L_THRESH, of.thresholds().lower())?;
        let (active, inactive) = connections(of);
        out.u32(dest::ACTIVE_CONNS, active)?;
        out.u32(dest::INACT_CONNS, inactive)?;
        out.u32(dest::PERSIST_CONNS, of.templates())?;
        out.u16(dest::ADDR_FAMILY, family_number(family))?;
        both(out, dest::STATS, dest::STATS64, &of.stats)
    })
}

/// Returns the active and the other connections of a destination, as ip_vs counts them: a UDP flow
/// is never active there, as it has no state; here it is, for the schedulers that count.
pub(super) fn connections(of: &Destination) -> (u32, u32) {
    let (active, inactive) = (of.counts.active(), of.counts.inactive());
    match of.service_key.protocol {
        Protocol::Udp => (0, active.saturating_add(inactive)),
        _ => (active, inactive),
    }
}

/// Writes statistics twice: most of them as 32 bits, for older clients, then all as 64.
fn both(out: &mut Writer<'_>, short: u16, long: u16, of: &Stats) -> Result {
    let report = of.report();
    out.nest_unmarked(short, |out| numbers(out, &report, short_number))?;
    out.nest_unmarked(long, |out| numbers(out, &report, long_number))
}

/// Writes the lower 32 bits of a number, as ip_vs does.
fn short_number(out: &mut Writer<'_>, id: u16, value: u64) -> Result {
    let [a, b, c, d, ..] = value.to_le_bytes();
    out.u32(id, u32::from_le_bytes([a, b, c, d]))
}

/// Writes all 64 bits of a number.
fn long_number(out: &mut Writer<'_>, id: u16, value: u64) -> Result {
    out.u64(id, value, stats::PAD)
}

/// Writes all numbers, those of connections, packets and rates by `number`.
fn numbers(
    out: &mut Writer<'_>,
    report: &Report,
    number: impl Fn(&mut Writer<'_>, u16, u64) -> Result,
) -> Result {
    let Report { total, rate } = report;
    number(out, stats::CONNS, total.connections)?;
    number(out, stats::INPKTS, total.in_packets)?;
    number(out, stats::OUTPKTS, total.out_packets)?;
    long_number(out, stats::INBYTES, total.in_bytes)?;
    long_number(out, stats::OUTBYTES, total.out_bytes)?;
    number(out, stats::CPS, rate.connections)?;
    number(out, stats::INPPS, rate.in_packets)?;
    number(out, stats::OUTPPS, rate.out_packets)?;
    number(out, stats::INBPS, rate.in_bytes)?;
    number(out, stats::OUTBPS, rate.out_bytes)
}
