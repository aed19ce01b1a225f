// SPDX-License-Identifier: GPL-2.0

//! The lines of a document as words that remember where they stand.

use std::fmt::Display;
use std::str::FromStr;

use super::mistake::Mistake;

/// The words of a line that has some.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// Number of the line, from 1.
    line: usize,
    /// Each word with its column, from 1; an option's value behind `=` is a word of its own.
    words: Vec<(usize, &'a str)>,
    /// Column of the end of the line.
    end: usize,
    /// How many words were read.
    read: usize,
}

/// Returns the lines that have words, without comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Words<'_>> {
    let numbered = (1..).zip(text.lines());
    let words = numbered.map(|(number, line)| Words::new(number, line));
    words.filter(|line| !line.words.is_empty())
}

impl<'a> Words<'a> {
    fn new(number: usize, line: &'a str) -> Self {
        let column = |at: usize| line.get(..at).unwrap_or(line).chars().count() + 1;
        let mut words = Vec::new();
        let mut rest = line;
        loop {
            rest = rest.trim_start();
            let word = rest.split(char::is_whitespace).next().unwrap_or_default();
            if word.is_empty() || word.starts_with('#') {
                break;
            }
            let at = line.len() - rest.len();
            match word.split_once('=').filter(|_| word.starts_with("--")) {
                Some((name, value)) => {
                    words.push((column(at), name));
                    words.push((column(at + name.len() + 1), value));
                }
                None => words.push((column(at), word)),
            }
            rest = rest.get(word.len()..).unwrap_or_default();
        }
        Self {
            line: number,
            words,
            end: column(line.trim_end().len()),
            read: 0,
        }
    }

    /// Reads a word; `wanted` stands in the mistake if there is none.
    pub(crate) fn next(&mut self, wanted: &str) -> Result<&'a str, Mistake> {
        let found = self.words.get(self.read).map(|(_, word)| *word);
        self.read += 1;
        found.ok_or_else(|| self.mistake(format!("{wanted} is missing")))
    }

    /// Reads a word as a value; `wanted` stands in the mistake if there is none.
    pub(crate) fn value<V: FromStr>(&mut self, wanted: &str) -> Result<V, Mistake>
    where
        V::Err: Display,
    {
        let word = self.next(wanted)?;
        let value = word.parse();
        value.map_err(|error: V::Err| {
            let error = error.to_string();
            match error.contains(word) {
                true => self.mistake(error),
                false => self.mistake(format!("'{word}': {error}")),
            }
        })
    }

    /// Reads a word as a value if there is one that is not an option.
    pub(crate) fn value_if_any<V: FromStr>(&mut self) -> Result<Option<V>, Mistake>
    where
        V::Err: Display,
    {
        let next = self.words.get(self.read);
        match next.filter(|(_, word)| !word.starts_with('-')) {
            Some(_) => self.value("a value").map(Some),
            None => Ok(None),
        }
    }

    /// Reads the name of an option, with its dashes; returns `None` at the end of the line.
    pub(crate) fn option(&mut self) -> Result<Option<&'a str>, Mistake> {
        match self.next("an option") {
            Err(_) => Ok(None),
            Ok(word) if word.starts_with('-') => Ok(Some(word)),
            Ok(word) => Err(self.mistake(format!("'{word}' is one word too many"))),
        }
    }

    /// Returns a mistake in the word that was read last.
    pub(crate) fn mistake(&self, text: impl Display) -> Mistake {
        let at = self.read.checked_sub(1).and_then(|at| self.words.get(at));
        self.mistake_at(at.map_or(self.end, |(column, _)| *column), text)
    }

    /// Returns a mistake in the line as a whole.
    pub(crate) fn mistake_in_command(&self, text: impl Display) -> Mistake {
        let first = self.words.first();
        self.mistake_at(first.map_or(self.end, |(column, _)| *column), text)
    }

    fn mistake_at(&self, column: usize, text: impl Display) -> Mistake {
        Mistake {
            line: self.line,
            column,
            text: text.to_string(),
        }
    }
}
