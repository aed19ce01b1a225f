// SPDX-License-Identifier: GPL-2.0

//! `rlvs watch`: prints events, one JSON object a line.

use std::io::{self, Write};

use rlvs_client::error::Error;
use rlvs_client::event::{Line, Subscription};

/// Prints events until there are none any more: the reader has gone away, or
/// the module has.
pub fn watch(events: &mut impl Subscription, out: &mut impl Write) -> Result<(), Error> {
    let mut line = Line::plain("watching");
    loop {
        match out
            .write_all(line.json().as_bytes())
            .and_then(|()| out.flush())
        {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::Output("standard output".into(), error)),
        }
        line = loop {
            if let Some(notice) = events.next(None)? {
                break Line::of(&notice)?;
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::event;
    use rlvs_client::event::Notice;
    use std::time::Duration;

    /// Notices until the module is unloaded.
    struct Fake(Vec<Option<Notice>>);

    impl Subscription for Fake {
        fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, Error> {
            assert!(limit.is_none(), "a watcher has time");
            if self.0.is_empty() {
                return Err(Error::Unloaded);
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
            Some(event(1, 8001, None, None)),
            None,
            Some(Notice::Lost),
            Some(event(0, 8001, None, None)),
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
    fn each_event_is_a_line_at_once() {
        let (result, paper) = run(100, io::ErrorKind::Other);
        assert!(matches!(result, Err(Error::Unloaded)));
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
