//! `-k`: which scenarios to run, by words in their names.

/// A choice such as `radio and not (slow or 1000)`: a word stands for "the path contains it", whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The path contains it.
    Word(String),
    /// Not so.
    Not(Box<Choice>),
    /// Both.
    And(Box<Choice>, Box<Choice>),
    /// One at least.
    Or(Box<Choice>, Box<Choice>),
}

impl Choice {
    /// Whether it takes this path.
    pub fn takes(&self, path: &str) -> bool {
        match self {
            Choice::Word(word) => path.to_lowercase().contains(word),
            Choice::Not(a) => !a.takes(path),
            Choice::And(a, b) => a.takes(path) && b.takes(path),
            Choice::Or(a, b) => a.takes(path) || b.takes(path),
        }
    }
}

/// Parentheses inside each other go no deeper.
const DEEPEST: usize = 100;

/// Reads what `-k` says: words, `and`, `or`, `not`, parentheses.
pub fn choice(text: &str) -> Result<Choice, String> {
    let spaced = text.to_lowercase().replace('(', " ( ").replace(')', " ) ");
    let mut reader = Reader { words: spaced.split_whitespace().collect(), next: 0, depth: 0 };
    let choice = reader.any()?;
    match reader.words.get(reader.next) {
        None => Ok(choice),
        Some(word) => Err(format!("`{word}` stands where `and`, `or` or the end should be")),
    }
}

struct Reader<'a> {
    words: Vec<&'a str>,
    next: usize,
    depth: usize,
}

impl Reader<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let is = self.words.get(self.next) == Some(&word);
        self.next += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<Choice, String> {
        let mut all = self.every()?;
        while self.takes("or") {
            all = Choice::Or(Box::new(all), Box::new(self.every()?));
        }
        Ok(all)
    }

    fn every(&mut self) -> Result<Choice, String> {
        let mut all = self.one()?;
        while self.takes("and") {
            all = Choice::And(Box::new(all), Box::new(self.one()?));
        }
        Ok(all)
    }

    fn one(&mut self) -> Result<Choice, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("too many parentheses".into());
        }
        let one = self.simple();
        self.depth -= 1;
        one
    }

    fn simple(&mut self) -> Result<Choice, String> {
        if self.takes("not") {
            return Ok(Choice::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inner = self.any()?;
            return if self.takes(")") { Ok(inner) } else { Err("a `)` is missing".into()) };
        }
        match self.words.get(self.next) {
            Some(word) if !matches!(*word, "and" | "or" | ")") => {
                self.next += 1;
                Ok(Choice::Word((*word).into()))
            }
            other => Err(format!(
                "a word is missing before {}",
                other.map_or("the end".into(), |w| format!("`{w}`"))
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_words_and_or_not_and_parentheses() {
        let takes = |text: &str, path: &str| choice(text).map(|c| c.takes(path));
        let cases = [
            ("radio", "scenarios/Radio-mesh.toml", true),
            ("radio and not mesh", "radio-mesh.toml", false),
            ("radio and not mesh", "radio.toml", true),
            ("a or b and c", "a.x", true),
            ("(a or b) and c", "a.x", false),
            ("not (a or b)", "c.x", true),
            ("not not c", "c.x", true),
        ];
        for (text, path, want) in cases {
            assert_eq!(takes(text, path), Ok(want), "{text} on {path}");
        }
        for wrong in ["", "and", "a b", "(a", "a)", "not", "a or", "()"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
        assert!(choice(&"(".repeat(100_000)).is_err() && choice(&"not ".repeat(100_000)).is_err());
    }
}
