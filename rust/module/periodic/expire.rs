// SPDX-License-Identifier: GPL-2.0

//! The periodic work of a namespace: entries expire, drained destinations go, and with the last of
//! all the hooks.
//!
//! No timer is armed for a packet: an entry has the time of its last packet, and a walk over the
//! table once a second finds those whose time is over.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{V4, V6},
    connection::{
        state,
        timeout::{self, Timeouts},
    },
    defence::{may_drop, shortened, Sample},
    udp,
};
use rlvs_kext::{
    bh::with_bh_disabled, clock, flow_total, net::Net, netns::Handle, random, rcu::Pace,
};

use crate::{
    change::Transaction,
    defence, drain,
    family::IpFamily,
    periodic::{rates, settle},
    state::State,
    stats::Event,
    table::{
        connection::{self, Entry, Table},
        cursor, steered, template,
    },
};

/// Runs once a second while the hooks are registered. Process context.
pub(crate) fn tick(ns: &Handle<'_, State>) {
    let state = ns.state();
    state.tracked.look::<V4>(ns.net());
    state.tracked.look::<V6>(ns.net());
    defence::adapt(&state.sysctls, &state.drop_packet);
    let mut round = Round::new(ns);
    // Without memory the walk is tried again in a second.
    let walked4 = round.expire(ns, &state.v4.connections);
    let walked6 = round.expire(ns, &state.v6.connections);
    let _ = expire_templates(ns, &state.v4.templates);
    let _ = expire_templates(ns, &state.v6.templates);
    let now = clock::seconds();
    state.v4.unanswered.expire(now);
    state.v6.unanswered.expire(now);
    let _ = steered::expire(&state.v4.steered, ns, clock::seconds());
    let _ = steered::expire(&state.v6.steered, ns, clock::seconds());

    if let Some(changes) = Transaction::begin(ns).unsettled() {
        changes.settle(Pace::Usual);
    }
    let mut config = state.config.lock();
    settle::walked(&mut config, ns, walked4.is_ok() && walked6.is_ok());
    if state.sysctls.runs_estimation() {
        rates::estimate(&mut config);
    }
    let is_over = config.is_empty() && config.is_settled(&state.settled) && state.is_idle();
    let detached = if is_over { ns.detach() } else { None };
    drop(config);
    if detached.is_some() {
        // Waits for a grace period, without the mutex, so that no request waits for it.
        drop(detached);
        // No tick will do it any more.
        state.v4.unanswered.clear();
        state.v6.unanswered.clear();
    }
}

/// One walk over the tables of a namespace.
struct Round<'a> {
    state: &'a State,
    net: &'a Net,
    now: u32,
    timeouts: Timeouts,
    /// Shortened timeouts, while the tables are filling up.
    shortened: Option<Timeouts>,
    /// The entries that the defence `drop_entry` takes, if it is on.
    drop_entry: Option<Sample>,
}

impl<'a> Round<'a> {
    fn new(ns: &'a Handle<'_, State>) -> Self {
        let state = ns.state();
        let timeouts = Timeouts::default();
        let on = state.sysctls.drop_entry().is_on();
        let most = state.sysctls.conn_max();
        let of_table = shortened(&timeouts, state.used(), most)
            .or_else(|| shortened(&timeouts, flow_total::flows(), state.ceiling.most()));
        Self {
            state,
            net: ns.net(),
            now: clock::seconds(),
            timeouts,
            shortened: udp::shortened(&timeouts, of_table, state.udp.unanswered(), most),
            drop_entry: on.then(|| Sample::new(random::u32())),
        }
    }

    fn expire<A: IpFamily>(&mut self, ns: &Handle<'_, State>, table: &Arc<Table<A>>) -> Result {
        cursor::all(ns, table, |entry| self.look_at(table, entry))
    }

    /// Removes the entry if its time is over, or if it has to go for others. A connection that the
    /// process still has stays in any case; one that the client has not completed does not count
    /// for that when entries run out.
    fn look_at<A: IpFamily>(&mut self, table: &Table<A>, entry: &Entry<A>) {
        drain::probe(self.net, entry, self.now);
        let (state, seen) = (entry.state(), entry.last_seen());
        let timeout = connection::timeout(entry, &self.timeouts, &self.state.timeouts);
        let over = timeout::expired(timeout, seen, self.now);
        let early = state.is_half_open()
            && self
                .shortened
                .is_some_and(|timeouts| timeout::expired(timeouts.of(state), seen, self.now));
        if early {
            if connection::is_established(self.net, entry) {
                entry.touch(self.now);
            } else {
                self.remove(table, entry, (!over).then_some(Event::EarlyExpired));
            }
        } else if over {
            if connection::is_alive(self.net, entry) {
                entry.touch(self.now);
            } else {
                self.remove(table, entry, None);
            }
        } else if self.drops(state, seen) && !connection::is_established(self.net, entry) {
            self.remove(table, entry, Some(Event::DropEntry));
        }
    }

    fn drops(&mut self, state: state::State, seen: u32) -> bool {
        match &mut self.drop_entry {
            Some(sample) => may_drop(state, timeout::idle(seen, self.now)) && sample.takes_next(),
            None => false,
        }
    }

    fn remove<A: IpFamily>(&self, table: &Table<A>, entry: &Entry<A>, event: Option<Event>) {
        with_bh_disabled(|bh| {
            if connection::remove(table, entry, bh) {
                if let Some(event) = event {
                    self.state.events.count(bh, event);
                }
            }
        });
    }
}

/// Removes the templates that lead no connection any more.
fn expire_templates<A: IpFamily>(
    ns: &Handle<'_, State>,
    table: &Arc<template::TemplateTable<A>>,
) -> Result {
    let now = clock::seconds();
    cursor::all(ns, table, |template| {
        if template.is_over(now) {
            with_bh_disabled(|bh| template::remove(table, template, bh));
        }
    })
}
