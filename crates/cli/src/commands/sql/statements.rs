//! Text cut into statements at `;`, but not inside of quotes and comments.

/// Statements of a text that comes piece by piece.
#[derive(Default)]
pub(super) struct Statements {
    text: String,
    /// The bytes of `text` that were read, and what they end inside of.
    read: usize,
    inside: Inside,
}

/// The place of a character: bare, in quotes, or in a comment.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Statement,
    /// Quotes of this kind; two in a row are one that is meant.
    Quotes(char),
    LineComment,
    /// As in PostgreSQL, a comment may hold comments.
    Comment(usize),
}

impl Statements {
    /// Adds text.
    pub(super) fn feed(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// True if a statement has begun and is not yet over.
    pub(super) fn is_open(&self) -> bool {
        self.inside != Inside::Statement || !is_blank(&self.text)
    }

    /// The text behind the last `;`, if it says anything.
    pub(super) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(self).text;
        (!is_blank(&rest)).then(|| rest.trim().to_owned())
    }
}

impl Iterator for Statements {
    type Item = String;

    /// The next statement that is over.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut rest = self.text[self.read..].chars();
            let c = rest.next()?;
            let pair = (c, rest.next());
            self.read += c.len_utf8();
            self.inside = match (self.inside, pair) {
                (Inside::Statement, (';', _)) => {
                    let rest = self.text.split_off(self.read);
                    let statement = std::mem::replace(&mut self.text, rest);
                    self.read = 0;
                    let statement = statement.trim_end_matches(';');
                    if is_blank(statement) {
                        continue;
                    }
                    return Some(statement.trim().to_owned());
                }
                (Inside::Statement, (quote @ ('\'' | '"'), _)) => Inside::Quotes(quote),
                (Inside::Statement, ('-', Some('-'))) => Inside::LineComment,
                (Inside::Statement, ('/', Some('*'))) => self.two(Inside::Comment(1)),
                (Inside::Quotes(quote), (c, _)) if c == quote => Inside::Statement,
                (Inside::LineComment, ('\n', _)) => Inside::Statement,
                (Inside::Comment(depth), ('/', Some('*'))) => self.two(Inside::Comment(depth + 1)),
                (Inside::Comment(1), ('*', Some('/'))) => self.two(Inside::Statement),
                (Inside::Comment(depth), ('*', Some('/'))) => self.two(Inside::Comment(depth - 1)),
                (inside, _) => inside,
            };
        }
    }
}

impl Statements {
    /// The second character of a pair is read too.
    fn two(&mut self, inside: Inside) -> Inside {
        self.read += 1;
        inside
    }
}

/// True of a text that says nothing: blanks and comments alone.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("--") {
        rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str]) -> (Vec<String>, Option<String>) {
        let mut statements = Statements::default();
        let mut all = Vec::new();
        for piece in pieces {
            statements.feed(piece);
            all.extend(statements.by_ref());
        }
        (all, statements.rest())
    }

    #[test]
    fn a_semicolon_ends_a_statement_but_not_in_quotes_or_comments() {
        let text = "select ';', \"a;b\" -- no; end\n, 'it''s;' /* nor; /* here; */ ; */ from t; select 2;;\n -- only a comment\n;";
        let (all, rest) = cut(&[text]);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].starts_with("select ';'") && all[0].ends_with("from t"), "{}", all[0]);
        assert_eq!((all[1].as_str(), rest), ("select 2", None));
    }

    #[test]
    fn a_statement_may_come_in_any_pieces() {
        let text = "select 'a;b' /* ; */ from t; select 'é;'; select 3";
        let whole = cut(&[text]);
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (first, second) = text.split_at(at);
            if first.ends_with('/') || first.ends_with('*') || first.ends_with('-') {
                continue; // pieces are lines: none ends inside of a pair
            }
            assert_eq!(cut(&[first, second]), whole, "cut at {at}");
        }
        assert_eq!(whole.1.as_deref(), Some("select 3"));
    }

    #[test]
    fn a_statement_is_open_until_it_ends() {
        let mut statements = Statements::default();
        assert!(!statements.is_open());
        statements.feed("select 1\n");
        assert_eq!((statements.next(), statements.is_open()), (None, true));
        statements.feed(";\n");
        assert_eq!((statements.next().as_deref(), statements.is_open()), (Some("select 1"), false));
    }
}
