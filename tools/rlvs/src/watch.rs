// SPDX-License-Identifier: GPL-2.0

//! `rlvs watch`: prints events, one JSON object a line.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use rlvs_client::event::Notice;
use rlvs_client::subscription::Subscription;
use serde::Serialize;

use crate::error::Error;

/// A line of output.
#[derive(Serialize)]
struct Line<T> {
    /// Time of reception in seconds since 1970, to the millisecond.
    time: f64,
    /// The event.
    #[serde(flatten)]
    what: T,
}

/// An event that is of no destination.
#[derive(Serialize)]
struct Plain {
    event: &'static str,
}

/// Prints events until the reader closes the pipe.
///
/// # Errors
///
/// Those of the subscription, when the module is unloaded among others; [`Error::Output`].
pub fn watch(events: &mut impl Subscription, out: &mut impl Write) -> Result<(), Error> {
    let mut line = json(now(), Plain { event: "watching" });
    loop {
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::Output("standard output".into(), error)),
        }
        line = loop {
            if let Some(notice) = events.next(None)? {
                break line_of(now(), &notice);
            }
        };
    }
}

/// Returns the line of a notice.
fn line_of(time: f64, notice: &Notice) -> String {
    match notice {
        Notice::Event(event) => json(time, event),
        Notice::Lost => json(time, Plain { event: "lost" }),
    }
}

/// Returns a line of JSON, with its end.
fn json(time: f64, what: impl Serialize) -> String {
    // Only maps with keys that are no strings fail, and there are none.
    let mut text = serde_json::to_string(&Line { time, what }).unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the seconds since 1970, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is shown as 1970.
    let milliseconds = since.unwrap_or_default().as_millis();
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::event;
    use rlvs_client::error::Error as ClientError;
    use std::time::Duration;

    /// Notices until the module is unloaded.
    struct Fake(Vec<Option<Notice>>);

    impl Subscription for Fake {
        fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, ClientError> {
            assert!(limit.is_none(), "a watcher has time");
            if self.0.is_empty() {
                return Err(ClientError::Unloaded);
            }
            Ok(self.0.remove(0))
        }
    }

    /// Counts flushes; fails when it has none left.
    struct Paper {
        text: Vec<u8>,
        flushes: usize,
        left: usize,
        error: io::ErrorKind,
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(self.error.into());
            }
            self.text.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            self.left -= 1;
            Ok(())
        }
    }

    fn run(left: usize, error: io::ErrorKind) -> (Result<(), Error>, Paper) {
        let notices = vec![
            Some(event("down", 8001, None, None)),
            None,
            Some(Notice::Lost),
            Some(event("up", 8001, None, None)),
        ];
        let (text, flushes) = (Vec::new(), 0);
        let mut paper = Paper {
            text,
            flushes,
            left,
            error,
        };
        (watch(&mut Fake(notices), &mut paper), paper)
    }

    #[test]
    fn lines_are_the_promised_json() {
        let about = r#""service":{"protocol":"tcp","address":"192.0.2.10","port":80},"#.to_owned()
            + r#""destination":{"address":"192.0.2.10","port":8001}"#;
        assert_eq!(
            line_of(1.5, &event("draining", 8001, Some(3), None)),
            format!("{{\"time\":1.5,\"event\":\"draining\",{about},\"in_flight\":3}}\n")
        );
        assert_eq!(
            line_of(1.5, &event("retried", 8001, None, Some(9))),
            format!("{{\"time\":1.5,\"event\":\"retried\",{about},\"count\":9}}\n")
        );
        let lost = line_of(1.5, &Notice::Lost);
        assert_eq!(lost, "{\"time\":1.5,\"event\":\"lost\"}\n");
        assert!(now() > 1.7e9, "the time is one after 2023");
    }

    #[test]
    fn each_event_is_a_line_at_once() {
        let (result, paper) = run(100, io::ErrorKind::Other);
        assert!(matches!(result, Err(Error::Client(ClientError::Unloaded))));
        let text = String::from_utf8(paper.text).unwrap();
        let events: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].clone())
            .collect();
        assert_eq!(events, ["watching", "down", "lost", "up"]);
        assert_eq!(paper.flushes, 4);
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_error() {
        assert!(run(2, io::ErrorKind::BrokenPipe).0.is_ok());
        let full = run(2, io::ErrorKind::StorageFull).0;
        assert!(matches!(full, Err(Error::Output(..))));
    }
}
