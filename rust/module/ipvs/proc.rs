// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/ip_vs*`: the lists that ip_vs has there, for programs that read them.
//!
//! The lines themselves are `rlvs_core::ipvs::proc`'s. What ip_vs does not know is not shown;
//! steered connections have no entry, and so no line.

use kernel::prelude::*;
use rlvs_core::{
    address::{Endpoint, Ip, V4, V6},
    config::ServiceKey,
    connection::timeout::{self, Timeouts},
    ipvs::{
        proc::{
            self, ConnectionLine, DestinationLine, Persistent, Row, ServiceLine, ServicesHeader,
        },
        service::reported_netmask,
    },
    schedule::flags::Flags,
};
use rlvs_kext::{
    clock,
    flow_table::NoReply,
    netns::{FileSpec, Handle},
    percpu,
    proc::{File, Text},
};

use super::write;
use crate::{
    config::Configured,
    service::Destination,
    state::{InState, State},
    table::{
        connection::{self, Connection},
        cursor::Walk,
        template::{self, Template},
    },
};

/// Every file.
pub(crate) const FILES: &[FileSpec<State>] = &[
    FileSpec::of::<Services>(),
    FileSpec::of::<Connections<false>>(),
    FileSpec::of::<Connections<true>>(),
    FileSpec::of::<Totals>(),
    FileSpec::of::<Cpus>(),
];

/// `ip_vs`: the services with their destinations.
#[derive(Default)]
struct Services {
    has_header: bool,
    /// The last service whose line is written, and how many of its destinations are.
    last: Option<ServiceKey>,
    destinations: usize,
}

impl File<State> for Services {
    const NAME: &'static CStr = c"ip_vs";

    fn next(&mut self, ns: &Handle<'_, State>, text: &mut Text) -> Result {
        if !self.has_header {
            self.has_header = text.fits(ServicesHeader(ns.state().buckets()));
        }
        let config = ns.state().config.lock();
        // In the order of their keys: adding and deleting others meanwhile moves none.
        let services = config.services();
        let done = services.partition_point(|c| Some(c.service.key) < self.last);
        for configured in services.iter().skip(done) {
            if !self.service(configured, text) {
                break;
            }
        }
        Ok(())
    }
}

impl Services {
    /// Writes a service and its destinations, or the rest of them. Returns `true` if all fits.
    fn service(&mut self, configured: &Configured, text: &mut Text) -> bool {
        let key = configured.service.key;
        if self.last != Some(key) {
            if !text.fits(service_line(configured)) {
                return false;
            }
            self.last = Some(key);
            self.destinations = 0;
        }
        for destination in configured.destinations.iter().skip(self.destinations) {
            if !text.fits(destination_line(destination)) {
                return false;
            }
            self.destinations = self.destinations.saturating_add(1);
        }
        true
    }
}

fn service_line(configured: &Configured) -> ServiceLine<'_> {
    let key = &configured.service.key;
    let settings = &configured.settings;
    let persistence = settings.persistence;
    let persistent = (persistence.seconds() != 0).then(|| Persistent {
        ticks: clock::ticks(persistence.seconds()),
        netmask: reported_netmask(persistence, key.address.family()),
    });
    ServiceLine {
        key,
        scheduler: settings.kind.name().to_str().unwrap_or(""),
        one_packet: settings.flags.has(Flags::ONE_PACKET),
        persistent,
    }
}

fn destination_line(destination: &Destination) -> DestinationLine<'_> {
    let (active, inactive) = write::connections(destination);
    DestinationLine {
        key: &destination.key,
        forward: "Masq",
        weight: destination.weight(),
        active,
        inactive,
    }
}

type Entries<A> = Walk<<A as Ip>::Words, Connection<A>>;
type Templates<A> = Walk<<A as Ip>::Words, Template<A>, NoReply>;

/// `ip_vs_conn`: the entries and the templates; with `ORIGIN` `ip_vs_conn_sync`, which also shows
/// whether they came from another host.
#[derive(Default)]
struct Connections<const ORIGIN: bool> {
    has_header: bool,
    entries4: Entries<V4>,
    entries6: Entries<V6>,
    templates4: Templates<V4>,
    templates6: Templates<V6>,
}

impl<const ORIGIN: bool> File<State> for Connections<ORIGIN> {
    const NAME: &'static CStr = if ORIGIN {
        c"ip_vs_conn_sync"
    } else {
        c"ip_vs_conn"
    };

    /// For the administrator only, as the clients' addresses are private.
    const PRIVATE: bool = true;

    fn next(&mut self, ns: &Handle<'_, State>, text: &mut Text) -> Result {
        if !self.has_header {
            self.has_header = text.fits(if ORIGIN {
                proc::SYNC_HEADER
            } else {
                proc::CONNECTIONS_HEADER
            });
        }
        // Each begins when the one before is at its end.
        let _ = write_entries::<V4, ORIGIN>(&mut self.entries4, ns, text)?
            && write_entries::<V6, ORIGIN>(&mut self.entries6, ns, text)?
            && write_templates::<V4, ORIGIN>(&mut self.templates4, ns, text)?
            && write_templates::<V6, ORIGIN>(&mut self.templates6, ns, text)?;
        Ok(())
    }
}

/// Writes the entries of a family that fit. Returns `true` if that was the rest.
fn write_entries<A: InState, const ORIGIN: bool>(
    walk: &mut Entries<A>,
    ns: &Handle<'_, State>,
    text: &mut Text,
) -> Result<bool> {
    walk.go_on(ns, &A::tables(ns.state()).connections, |entry| {
        let (protocol, client, service) = connection::inbound(entry);
        let timeout = connection::timeout(entry, &Timeouts::default(), &ns.state().timeouts);
        Ok(text.fits(ConnectionLine {
            protocol,
            client,
            service,
            destination: connection::destination(entry),
            state: proc::state_name(entry.state()),
            origin: ORIGIN,
            expires: timeout::remaining(timeout, entry.last_seen(), clock::seconds()),
        }))
    })
}

/// Writes the templates of a family that fit. Returns `true` if that was the rest.
fn write_templates<A: InState, const ORIGIN: bool>(
    walk: &mut Templates<A>,
    ns: &Handle<'_, State>,
    text: &mut Text,
) -> Result<bool> {
    walk.go_on(ns, &A::tables(ns.state()).templates, |template| {
        let (protocol, network, service) = template::key(template);
        let destination = template.destination();
        let template_ref = template.template_ref();
        let seconds = destination.timeouts.persistence();
        Ok(text.fits(ConnectionLine {
            protocol,
            client: Endpoint {
                address: network,
                port: 0,
            },
            service,
            destination: destination.end(service.address),
            state: proc::template_state_name(template_ref.is_proven()),
            origin: ORIGIN,
            expires: template_ref.remaining(seconds, clock::seconds()),
        }))
    })
}

/// `ip_vs_stats`: what all services carry.
#[derive(Default)]
struct Totals {
    over: bool,
}

impl File<State> for Totals {
    const NAME: &'static CStr = c"ip_vs_stats";

    fn next(&mut self, ns: &Handle<'_, State>, text: &mut Text) -> Result {
        if self.over {
            return Ok(());
        }
        let (total, rate) = totals(ns.state());
        let [first, second] = proc::TOTALS_HEADER;
        let header = proc::RATES_HEADER;
        self.over = text.fits(format_args!("{first}{second}{total}\n{header}{rate}"));
        Ok(())
    }
}

/// `ip_vs_stats_percpu`: what all services carry, and what each CPU carried since the namespace
/// exists.
#[derive(Default)]
struct Cpus {
    has_header: bool,
    /// The next CPU.
    cpu: u32,
    over: bool,
}

impl File<State> for Cpus {
    const NAME: &'static CStr = c"ip_vs_stats_percpu";

    fn next(&mut self, ns: &Handle<'_, State>, text: &mut Text) -> Result {
        if self.over {
            return Ok(());
        }
        if !self.has_header {
            let [first, second] = proc::CPUS_HEADER;
            self.has_header = text.fits(format_args!("{first}{second}"));
        }
        while self.cpu < percpu::cpus() {
            let cpu = self.cpu;
            if percpu::is_possible(cpu) {
                let row = Row(ns.state().config.lock().ever_on(cpu));
                if !text.fits(format_args!("{cpu:>3X} {row}")) {
                    return Ok(());
                }
            }
            self.cpu = cpu.saturating_add(1);
        }
        let (total, rate) = totals(ns.state());
        let header = proc::CPUS_RATES_HEADER;
        self.over = text.fits(format_args!("  ~ {total}\n{header}    {rate}"));
        Ok(())
    }
}

/// Returns totals and rates of the namespace.
fn totals(state: &State) -> (Row, Row) {
    let report = state.config.lock().totals();
    (Row(report.total), Row(report.rate))
}
