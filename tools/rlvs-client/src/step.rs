// SPDX-License-Identifier: GPL-2.0

//! Changes that can be taken back.

use crate::change::{added, additions, ranges, Change};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::difference::difference;
use crate::error::Error;
use crate::settings::{DestinationSettings, TimeoutSettings};
use crate::transport::Transport;

/// A change, and what takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub change: Change,
    /// What undoes it, in this order.
    pub undo: Vec<Change>,
}

impl Step {
    /// Makes the step of a change in `before`.
    pub(crate) fn new(change: Change, before: &Configuration) -> Self {
        let undo = inverse(&change, before);
        Self { change, undo }
    }
}

/// Why steps were not carried out.
#[derive(Debug)]
pub struct Failure {
    /// The change that was not made.
    pub change: Change,
    /// Why not.
    pub error: Error,
    /// How many steps were done before, and undone.
    pub undone: usize,
    /// What could not be undone, and why.
    pub left: Vec<(Change, Error)>,
}

/// Has the kernel carry out the steps; returns its notes, each with the change that it is about.
///
/// # Errors
///
/// The [`Failure`] of the first step that fails. Those before it are undone then, the last one
/// first.
pub fn carry_out<'a, T: Transport>(
    client: &mut Client<T>,
    steps: &'a [Step],
) -> Result<Vec<(&'a Change, String)>, Box<Failure>> {
    let mut notes = Vec::new();
    for (done, step) in steps.iter().enumerate() {
        match step.change.request(client) {
            Ok(note) => notes.extend(note.map(|note| (&step.change, note))),
            Err(error) => {
                let before = steps.iter().take(done).rev();
                let undo = before.flat_map(|step| &step.undo);
                let left = undo.filter_map(|change| {
                    let failed = change.request(client).err();
                    failed.map(|error| (change.clone(), error))
                });
                return Err(Box::new(Failure {
                    left: left.collect(),
                    change: step.change.clone(),
                    error,
                    undone: done,
                }));
            }
        }
    }
    Ok(notes)
}

/// Returns what takes `change` back, which is made in `before`.
fn inverse(change: &Change, before: &Configuration) -> Vec<Change> {
    let service = |id| before.service(id);
    match change {
        Change::AddService(id, _) => vec![Change::DeleteService(*id)],
        Change::DeleteService(id) => service(id).map(additions).unwrap_or_default(),
        Change::SetService(id, _) => {
            let mut after = Configuration::default();
            after.services.extend(service(id).cloned());
            let made = change.make(&mut after);
            let both = made
                .ok()
                .and_then(|()| Some((after.service(id)?, service(id)?)));
            let undo = both.map(|(new, old)| Change::SetService(*id, difference(new, old)));
            undo.into_iter().collect()
        }
        Change::AddDestinations(id, range, _) => vec![Change::DeleteDestinations(*id, *range)],
        Change::DeleteDestinations(id, range) => {
            let deleted = service(id).map(|service| service.within(range));
            added(id, deleted.into_iter().flatten()).collect()
        }
        Change::SetDestinations(id, range, given) => {
            let changed = service(id).map(|service| service.within(range));
            let each = changed.into_iter().flatten().map(|d| {
                let old = &d.settings;
                let settings = DestinationSettings {
                    weight: given.weight.and(old.weight),
                    max_connections: given.max_connections.and(old.max_connections),
                    min_connections: given.min_connections.and(old.min_connections),
                    method: given.method.and(old.method),
                    private: given.private.and(old.private),
                    user: given.user.and(old.user),
                };
                (d.address, d.port, settings)
            });
            let undo = ranges(id, each).into_iter();
            undo.map(|(range, old)| Change::SetDestinations(*id, range, old))
                .collect()
        }
        Change::SetTimeouts(given) => {
            let old = before.timeouts;
            vec![Change::SetTimeouts(TimeoutSettings {
                tcp: given.tcp.and(old.tcp),
                tcp_fin: given.tcp_fin.and(old.tcp_fin),
                udp: given.udp.and(old.udp),
            })]
        }
    }
}
