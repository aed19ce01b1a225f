// SPDX-License-Identifier: GPL-2.0

//! The listings.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use rlvs_client::model::{
    Connection, Counters, Destination, Rates, Service, Stats, Template, Timeouts,
};

/// The size of the scheduler's table that is not shown.
const USUAL_TABLE_SIZE: u32 = 4093;

/// Stands for the state of a service or a destination whose address is not one of this host.
const NOT_HERE: &str = "address not here";

/// Returns the timeouts, one on each line.
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

/// Returns a JSON object of one line with one member: `{"services":[...]}`.
pub fn json<T: Serialize>(name: &str, value: &T) -> String {
    // Only maps with keys that are no strings fail, and there are none.
    let value = serde_json::to_string(value).unwrap_or_default();
    format!("{{\"{name}\":{value}}}\n")
}

/// Returns the services as a table, each with its destinations indented below it.
///
/// `numbers` selects what is shown of the traffic; rates are those that [`rlvs_client::rates`] filled in.
pub fn services_text(services: &[Service], numbers: Numbers) -> String {
    let mut table = Table::new(if numbers != Numbers::None {
        "lllrrrrrrrrrrr"
    } else {
        "lllrrrrr"
    });
    table.row(["SERVICE", "SCHEDULER"]);
    let heading = [
        "  DESTINATION",
        "METHOD",
        "PROCESS",
        "WEIGHT",
        "MAX",
        "MIN",
        "ACTIVE",
        "INACTIVE",
    ];
    let carried: &[&str] = match numbers {
        Numbers::None => &[],
        Numbers::Totals => &[
            "CONNECTIONS",
            "IN-PKTS",
            "OUT-PKTS",
            "IN-BYTES",
            "OUT-BYTES",
            "AVOIDED",
        ],
        Numbers::Rates => &["CPS", "IN-PPS", "OUT-PPS", "IN-BPS", "OUT-BPS"],
    };
    table.row(heading.iter().chain(carried));
    for service in services {
        let mut row = vec![service.id.to_string(), scheduler_cell(service)];
        if numbers != Numbers::None {
            row.resize(heading.len(), String::new());
        }
        row.extend(numbers.cells(&service.stats, service.rates));
        table.row(row);
        for destination in &service.destinations {
            let mut row = destination_cells(destination);
            row.extend(numbers.cells(&destination.stats, destination.rates));
            table.row(row);
        }
    }
    table.text()
}

/// Returns the scheduler with the settings that differ from the defaults.
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
    if let Some(seconds) = service.persistent {
        let _ = write!(cell, " persistent={seconds}s");
    }
    if let Some(prefix) = service.persistent_prefix.filter(|prefix| {
        let bits = if service.id.address.is_ipv4() {
            32
        } else {
            128
        };
        *prefix != bits
    }) {
        let _ = write!(cell, "/{prefix}");
    }
    if let Some(seconds) = service.slow_start {
        let _ = write!(cell, " slow-start={seconds}s");
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
    if service.here == Some(false) {
        let _ = write!(cell, " ({NOT_HERE})");
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
        method_cell(destination),
        process(destination).to_string(),
        destination.weight.to_string(),
        bound(destination.max_connections),
        bound(destination.min_connections),
        counted(destination.active_connections),
        counted(destination.inactive_connections),
    ]
}

/// Returns the state of the process: whether it listens, if that is determined.
fn process(destination: &Destination) -> &'static str {
    match (destination.here, destination.listening) {
        (Some(false), _) => NOT_HERE,
        (_, Some(true)) => "listening",
        (_, Some(false)) => "not listening",
        (_, None) => "-",
    }
}

/// Returns the method, with `private` and the user if they are set.
fn method_cell(destination: &Destination) -> String {
    let private = if destination.private { ",private" } else { "" };
    let user = destination.user.map(|user| format!(",user={user}"));
    format!(
        "{}{private}{}",
        destination.method,
        user.unwrap_or_default()
    )
}

/// Returns a threshold of connections, `-` for none.
fn bound(connections: u32) -> String {
    match connections {
        0 => "-".to_string(),
        number => number.to_string(),
    }
}

/// Returns a number, `-` for what is not counted.
fn counted(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "-".to_string(), |number| number.to_string())
}

/// The columns of a listing about traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// None.
    None,
    /// The totals.
    Totals,
    /// The rates, in whole numbers per second.
    Rates,
}

impl Numbers {
    fn cells(self, stats: &Stats, rates: Option<Rates>) -> Vec<String> {
        match (self, rates) {
            (Self::None, _) | (Self::Rates, None) => Vec::new(),
            (Self::Totals, _) => [
                Some(stats.connections),
                stats.in_packets,
                stats.out_packets,
                stats.in_bytes,
                stats.out_bytes,
                Some(stats.avoided),
            ]
            .map(counted)
            .into(),
            (Self::Rates, Some(rates)) => [
                Some(rates.connections),
                rates.in_packets,
                rates.out_packets,
                rates.in_bytes,
                rates.out_bytes,
            ]
            .map(|rate| counted(rate.map(|rate| format!("{rate:.0}"))))
            .into(),
        }
    }
}

/// Returns the suffix of an address for a device: `%3`.
fn device_text(device: Option<u32>) -> String {
    device.map_or_else(String::new, |index| format!("%{index}"))
}

/// Returns a client's address and port: `192.0.2.1:40000`, `[fe80::1%3]:40000`, `192.0.2.1%5:40000`.
fn client_text(address: IpAddr, port: u16, device: Option<u32>) -> String {
    let device = device_text(device);
    match address {
        IpAddr::V4(address) => format!("{address}{device}:{port}"),
        IpAddr::V6(address) => format!("[{address}{device}]:{port}"),
    }
}

/// Returns the connection entries as a table.
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
            client_text(
                connection.client_address,
                connection.client_port,
                connection.client_device,
            ),
            SocketAddr::new(connection.service_address, connection.service_port).to_string(),
            SocketAddr::new(connection.destination_address, connection.destination_port)
                .to_string(),
            connection.state.clone(),
            connection.expires.to_string(),
        ]);
    }
    table.text()
}

/// Returns the templates as a table.
pub fn templates_text(templates: &[Template]) -> String {
    let mut table = Table::new("llllrr");
    table.row([
        "PROTOCOL",
        "CLIENT",
        "SERVICE",
        "DESTINATION",
        "CONNECTIONS",
        "EXPIRES",
    ]);
    for template in templates {
        table.row([
            template.protocol.to_string(),
            format!(
                "{}/{}{}",
                template.client_address,
                template.client_prefix,
                device_text(template.client_device)
            ),
            SocketAddr::new(template.service_address, template.service_port).to_string(),
            SocketAddr::new(template.destination_address, template.destination_port).to_string(),
            template.connections.to_string(),
            template.expires.to_string(),
        ]);
    }
    table.text()
}

/// Returns the counters, one on each line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_a_device_tells_apart_is_shown_with_it() {
        let text = |address: &str, device| client_text(address.parse().unwrap(), 40000, device);
        assert_eq!(text("fe80::1", Some(3)), "[fe80::1%3]:40000");
        assert_eq!(text("192.0.2.1", Some(5)), "192.0.2.1%5:40000");
        assert_eq!(text("2001:db8::1", None), "[2001:db8::1]:40000");
        assert_eq!(text("192.0.2.1", None), "192.0.2.1:40000");
    }
}
