// SPDX-License-Identifier: GPL-2.0

//! The request for the counters of a namespace.

use rlvs_kext::{genetlink::Request, netns::Handle, uapi::counters};

use super::extack::Answer;
use crate::{state::State, stats::Event};

pub(super) fn get<'a>(ns: &Handle<'_, State>, request: &Request<'a>) -> Answer<'a> {
    let state = ns.state();
    request.reply(|out| {
        out.uint(counters::ENTRIES, u64::from(state.entries()))?;
        out.uint(counters::TEMPLATES, u64::from(state.templates()))?;
        for (id, event) in [
            (counters::CONNECTIONS, Event::Connection),
            (counters::NO_DESTINATION, Event::NoDestination),
            (counters::CONFLICT, Event::Conflict),
            (counters::NO_MEMORY, Event::NoMemory),
            (counters::TABLE_FULL, Event::TableFull),
            (counters::TRUNCATED, Event::Truncated),
            (counters::MALFORMED, Event::Malformed),
            (counters::FRAGMENT, Event::Fragment),
            (counters::UNWRITABLE, Event::Unwritable),
            (counters::ROUTE_FAILED, Event::RouteFailed),
            (counters::REJECTED, Event::Rejected),
            (counters::ICMP_ERROR, Event::IcmpError),
            (counters::DROP_PACKET, Event::DropPacket),
            (counters::DROP_ENTRY, Event::DropEntry),
            (counters::EARLY_EXPIRED, Event::EarlyExpired),
            (counters::NO_ENTRY, Event::NoEntry),
            (counters::RETRIED, Event::Retried),
            (counters::RETRY_NOT_KEPT, Event::RetryNotKept),
            (counters::RETRY_NO_DESTINATION, Event::RetryNoDestination),
            (counters::RETRY_NOT_HANDLED, Event::RetryNotHandled),
            (counters::PRIVATE, Event::Private),
            (counters::STEERED, Event::Steered),
            (counters::UNCOUNTED, Event::Uncounted),
            (counters::UDP_FULL, Event::UdpFull),
            (counters::TOTAL_FULL, Event::TotalFull),
        ] {
            out.uint(id, state.events.total(event))?;
        }
        Ok(())
    })?;
    Ok(())
}
