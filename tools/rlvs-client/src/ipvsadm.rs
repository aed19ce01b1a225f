// SPDX-License-Identifier: GPL-2.0

//! What `ipvsadm -S -n` prints, as a configuration.
//!
//! ```text
//! -A -t 192.0.2.10:80 -s wlc -p 360 -M 255.255.255.0
//! -a -t 192.0.2.10:80 -r 192.0.2.10:8001 -m -w 1
//! ```
//!
//! Addresses and ports are numbers. A destination with `-m` has the method `nat`, or `steer` on a
//! loopback address that `nat` does not reach, as when ipvsadm adds it.

use crate::change::Change;
use crate::configuration::Configuration;
use crate::difference::needs_steering;
use crate::document::configuration_of;
use crate::document::mistake::Mistake;
use crate::document::words::Words;
use crate::endpoint::{DestinationRange, ServiceId};
use crate::flags::Flag;
use crate::method::Method;
use crate::netmask::prefix_of_mask;
use crate::settings::{DestinationSettings, ServiceSettings};

/// What `-p` without a number stands for, in seconds.
const PERSISTENT: u32 = 300;

/// Reads what `ipvsadm -S -n` prints. Lines that begin with `#` are comments.
///
/// # Errors
///
/// The first [`Mistake`], which may also be something that rlvs does not have.
pub fn read(text: &str) -> Result<Configuration, Mistake> {
    configuration_of(text, command)
}

/// Reads a command.
fn command(words: &mut Words<'_>) -> Result<Change, Mistake> {
    match words.next("a command")? {
        "-A" | "--add-service" => {
            let id = service(words)?;
            Ok(Change::AddService(id, service_options(words, &id)?))
        }
        "-a" | "--add-server" => {
            let id = service(words)?;
            let (range, settings) = destination(words, &id)?;
            Ok(Change::AddDestinations(id, range, settings))
        }
        other => {
            let text = format!("'{other}' has no place here: ipvsadm -S -n prints -A and -a");
            Err(words.mistake(text))
        }
    }
}

/// Reads which service a command is about.
fn service(words: &mut Words<'_>) -> Result<ServiceId, Mistake> {
    let protocol = match words.next("-t, -u or --sctp-service")? {
        "-t" | "--tcp-service" => "tcp",
        "-u" | "--udp-service" => "udp",
        "--sctp-service" => "sctp",
        "-f" | "--fwmark-service" => {
            let text = "there are no services by firewall mark: name protocol, address and port";
            return Err(words.mistake(text));
        }
        other => {
            let text = format!("'{other}' is no service: use -t, -u or --sctp-service");
            return Err(words.mistake(text));
        }
    };
    let address = words.next("ADDRESS:PORT")?;
    let id = format!("{protocol}://{address}").parse();
    id.map_err(|error| words.mistake(error))
}

fn service_options(words: &mut Words<'_>, id: &ServiceId) -> Result<ServiceSettings, Mistake> {
    let mut settings = ServiceSettings::default();
    let mut flags: Vec<Flag> = Vec::new();
    while let Some(option) = words.option()? {
        match option {
            "-s" | "--scheduler" => settings.scheduler = Some(words.value("a scheduler")?),
            "-p" | "--persistent" => {
                let seconds = words.value_if_any()?;
                settings.persistent = Some(seconds.unwrap_or(PERSISTENT));
            }
            "-M" | "--netmask" => settings.persistent_prefix = Some(netmask(words, id)?),
            "-o" | "--ops" => flags.extend("ops".parse::<Flag>()),
            "-b" | "--sched-flags" => {
                for name in words.next("flags")?.split(',') {
                    flags.push(scheduler_flag(words, name, settings.scheduler.as_deref())?);
                }
            }
            "--pe" => {
                let text = "there are no persistence engines: leave it out";
                return Err(words.mistake(text));
            }
            other => {
                let text = format!("a service has no option '{other}' here");
                return Err(words.mistake(text));
            }
        }
    }
    settings.flags = Some(flags);
    Ok(settings)
}

/// Reads a netmask, for IPv6 a prefix length.
fn netmask(words: &mut Words<'_>, id: &ServiceId) -> Result<u8, Mistake> {
    if id.address.is_ipv6() {
        return words.value("a prefix length");
    }
    let prefix = prefix_of_mask(words.next("a netmask")?);
    prefix.map_err(|error| words.mistake(error))
}

/// Returns a scheduler's flag. ipvsadm prints the scheduler before it.
fn scheduler_flag(words: &Words<'_>, name: &str, scheduler: Option<&str>) -> Result<Flag, Mistake> {
    let named = |rest| format!("{}-{rest}", scheduler.unwrap_or_default());
    let own = match name {
        "flag-1" => named("fallback"),
        "flag-2" => named("port"),
        other => other.to_string(),
    };
    let known = own.parse().ok();
    known.filter(Flag::is_of_scheduler).ok_or_else(|| {
        let text = format!(
            "there is no flag '{name}' of a scheduler here: use sh-port, sh-fallback, mh-port or \
             mh-fallback"
        );
        words.mistake(text)
    })
}

fn destination(
    words: &mut Words<'_>,
    id: &ServiceId,
) -> Result<(DestinationRange, DestinationSettings), Mistake> {
    let mut range: Option<DestinationRange> = None;
    let mut is_masquerading = false;
    let mut settings = DestinationSettings::default();
    while let Some(option) = words.option()? {
        match option {
            "-r" | "--real-server" => range = Some(words.value("ADDRESS:PORT")?),
            "-m" | "--masquerading" => is_masquerading = true,
            "-g" | "--gatewaying" | "-i" | "--ipip" => {
                let text =
                    format!("'{option}' is for other hosts: rlvs serves local ports, use -m");
                return Err(words.mistake(text));
            }
            "-w" | "--weight" => settings.weight = Some(words.value("a weight")?),
            "-x" | "--u-threshold" => settings.max_connections = Some(words.value("a number")?),
            "-y" | "--l-threshold" => settings.min_connections = Some(words.value("a number")?),
            other => {
                let text = format!("a destination has no option '{other}' here");
                return Err(words.mistake(text));
            }
        }
    }
    let range = range.ok_or_else(|| words.mistake("-r ADDRESS:PORT is missing"))?;
    if !is_masquerading {
        let text = "rlvs serves local ports, not other hosts (-g is ipvsadm's default): add -m";
        return Err(words.mistake(text));
    }
    settings.method = match needs_steering(id, range.address.unwrap_or(id.address)) {
        true => Some(Method::STEER),
        false => Some(Method::NAT),
    };
    Ok((range, settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    #[test]
    fn what_ipvsadm_prints_is_read() {
        let printed = "\
-A -t 192.0.2.10:80 -s sh -p 360 -M 255.255.255.0 -b sh-fallback,flag-2
-a -t 192.0.2.10:80 -r 192.0.2.10:8001 -m -w 1
-a -t 192.0.2.10:80 -r 192.0.2.10:8002 -m -w 1
-a -t 192.0.2.10:80 -r 127.0.0.1:8003 -m -w 0 -x 100 -y 50
-A -u [2001:db8::10]:53 -s wlc -o
-A -u 0.0.0.0:54 -s rr -p
--add-service --sctp-service [2001:db8::10]:3868 --scheduler rr -p 600 --netmask 64
-a --sctp-service [2001:db8::10]:3868 --real-server [2001:db8::11]:3868 --masquerading --weight 7
";
        assert_eq!(
            document::write(&read(printed).unwrap()),
            "service add tcp://192.0.2.10:80 --scheduler sh --flags sh-fallback,sh-port \
             --persistent 360 --prefix 24\n\
             dest add tcp://192.0.2.10:80 :8001-8002 --method nat\n\
             dest add tcp://192.0.2.10:80 127.0.0.1:8003 --weight 0 --max-connections 100 \
             --min-connections 50 --method steer\n\
             service add udp://[2001:db8::10]:53 --scheduler wlc --flags ops\n\
             service add udp://*:54 --scheduler rr --persistent 300\n\
             service add sctp://[2001:db8::10]:3868 --scheduler rr --persistent 600 --prefix 64\n\
             dest add sctp://[2001:db8::10]:3868 [2001:db8::11]:3868 --weight 7 --method nat\n"
        );
    }

    #[test]
    fn what_rlvs_does_not_have_is_refused_with_a_text() {
        let service = "-A -t 192.0.2.10:80 -s rr\n";
        for (text, line, column, part) in [
            ("-A -f 1 -s rr", 1, 4, "no services by firewall mark"),
            ("-C", 1, 1, "prints -A and -a"),
            ("-A -t www:80", 1, 7, "not an address"),
            (
                "-A -t 192.0.2.10:80 -s mh --pe sip",
                1,
                27,
                "persistence engines",
            ),
            (
                "-A -t 192.0.2.10:80 -s mh -b flag-3",
                1,
                30,
                "no flag 'flag-3'",
            ),
            (
                "-A -t 192.0.2.10:80 -s rr -b flag-1",
                1,
                30,
                "no flag 'flag-1'",
            ),
            ("-A -t 192.0.2.10:80 -s rr -p x", 1, 30, "'x': "),
            (
                "-A -t 192.0.2.10:80 -s rr -p 9 -M 64",
                1,
                35,
                "ones, then zeros",
            ),
            (
                "-a -t 192.0.2.10:80 -r 192.0.2.10:1 -g -w 1",
                2,
                37,
                "use -m",
            ),
            ("-a -t 192.0.2.10:80 -r 192.0.2.10:1 -w 1", 2, 41, "add -m"),
            (
                "-a -t 192.0.2.10:80 -m",
                2,
                23,
                "-r ADDRESS:PORT is missing",
            ),
            ("-a -t 192.0.2.10:81 -r 192.0.2.10:1 -m", 2, 1, "no service"),
        ] {
            let text = match line {
                2 => format!("{service}{text}"),
                _ => text.to_string(),
            };
            let mistake = read(&text).unwrap_err();
            assert_eq!(
                (mistake.line, mistake.column),
                (line, column),
                "{text}: {mistake}"
            );
            assert!(mistake.text.contains(part), "{text}: {mistake}");
        }
    }
}
