// SPDX-License-Identifier: GPL-2.0

//! What the listings look like.

use std::fmt::Write;
use std::net::SocketAddr;

use serde::Serialize;

use crate::model::{Connection, Counters, Destination, Service, Stats, Timeouts};

/// What the specification says of an absent table size.
const USUAL_TABLE_SIZE: u32 = 4093;

/// The services as JSON: `{"services":[...]}`.
pub fn services_json(services: &[Service]) -> String {
    json("services", &services)
}

/// The connection entries as JSON: `{"connections":[...]}`.
pub fn connections_json(connections: &[Connection]) -> String {
    json("connections", &connections)
}

/// The counters as JSON: `{"counters":{...}}`.
pub fn counters_json(counters: &Counters) -> String {
    json("counters", counters)
}

/// The timeouts as JSON: `{"timeouts":{...}}`.
pub fn timeouts_json(timeouts: &Timeouts) -> String {
    json("timeouts", timeouts)
}

/// The timeouts, one on each line.
pub fn timeouts_text(timeouts: &Timeouts) -> String {
    let mut table = Table::new("lr");
    for (name, seconds) in [
        ("tcp", timeouts.tcp),
        ("tcp-fin", timeouts.tcp_fin),
        ("udp", timeouts.udp),
    ] {
        table.row([name.to_string(), seconds.to_string()]);
    }
    table.text()
}

/// A JSON object of one line with one member.
fn json<T: Serialize>(name: &str, value: &T) -> String {
    // Only maps with keys that are no strings fail, and there are none.
    let value = serde_json::to_string(value).unwrap_or_default();
    format!("{{\"{name}\":{value}}}\n")
}

/// The services as a table, each with its destinations indented below it.
pub fn services_text(services: &[Service], stats: bool) -> String {
    let mut table = Table::new(if stats { "llrrrrrrrr" } else { "llrrr" });
    table.row(["SERVICE", "SCHEDULER"]);
    let heading = ["  DESTINATION", "METHOD", "WEIGHT", "ACTIVE", "INACTIVE"];
    let totals = [
        "CONNECTIONS",
        "IN-PKTS",
        "OUT-PKTS",
        "IN-BYTES",
        "OUT-BYTES",
    ];
    table.row(heading.iter().chain(totals.iter().filter(|_| stats)));
    for service in services {
        let mut row = vec![service.id.to_string(), scheduler_cell(service)];
        if stats {
            row.resize(5, String::new());
            row.extend(stats_cells(&service.stats));
        }
        table.row(row);
        for destination in &service.destinations {
            let mut row = destination_cells(destination);
            if stats {
                row.extend(stats_cells(&destination.stats));
            }
            table.row(row);
        }
    }
    table.text()
}

/// The scheduler with what is not usual of it.
fn scheduler_cell(service: &Service) -> String {
    let mut cell = service.scheduler.clone();
    if let Some(slots) = service
        .table_size
        .filter(|slots| *slots != USUAL_TABLE_SIZE)
    {
        let _ = write!(cell, "/{slots}");
    }
    if !service.flags.is_empty() {
        let _ = write!(cell, " {}", service.flags.join(","));
    }
    for (name, seconds) in [
        ("tcp", service.timeouts.timeout_tcp),
        ("fin", service.timeouts.timeout_fin),
        ("udp", service.timeouts.timeout_udp),
    ] {
        if let Some(seconds) = seconds {
            let _ = write!(cell, " {name}={seconds}s");
        }
    }
    cell
}

fn destination_cells(destination: &Destination) -> Vec<String> {
    let Destination { address, port, .. } = *destination;
    let name = if address.is_unspecified() {
        format!("  :{port}")
    } else {
        format!("  {}", SocketAddr::new(address, port))
    };
    vec![
        name,
        destination.method.clone(),
        destination.weight.to_string(),
        destination.active_connections.to_string(),
        destination.inactive_connections.to_string(),
    ]
}

fn stats_cells(stats: &Stats) -> [String; 5] {
    [
        stats.connections,
        stats.in_packets,
        stats.out_packets,
        stats.in_bytes,
        stats.out_bytes,
    ]
    .map(|number| number.to_string())
}

/// The connection entries as a table.
pub fn connections_text(connections: &[Connection]) -> String {
    let mut table = Table::new("lllllr");
    table.row([
        "PROTOCOL",
        "CLIENT",
        "SERVICE",
        "DESTINATION",
        "STATE",
        "EXPIRES",
    ]);
    for connection in connections {
        table.row([
            connection.protocol.to_string(),
            SocketAddr::new(connection.client_address, connection.client_port).to_string(),
            SocketAddr::new(connection.service_address, connection.service_port).to_string(),
            SocketAddr::new(connection.destination_address, connection.destination_port)
                .to_string(),
            connection.state.clone(),
            connection.expires.to_string(),
        ]);
    }
    table.text()
}

/// The counters, one on each line.
pub fn counters_text(counters: &Counters) -> String {
    let mut table = Table::new("lr");
    for (name, value) in &counters.0 {
        table.row([name.clone(), value.to_string()]);
    }
    table.text()
}

/// Rows of cells that become columns of equal width.
struct Table {
    /// For each column `l` or `r`, the side that it is aligned to.
    alignment: &'static str,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(alignment: &'static str) -> Self {
        let rows = Vec::new();
        Self { alignment, rows }
    }

    fn row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows
            .push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or(0)
        };
        let columns: Vec<_> = self.alignment.chars().zip((0..).map(width)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (side, width)) in row.iter().zip(&columns) {
                // Writing to a String does not fail.
                let _ = match side {
                    'r' => write!(line, "{cell:>width$}  "),
                    _ => write!(line, "{cell:<width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
