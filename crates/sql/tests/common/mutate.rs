//! Statements of the list, cut into words and put together at random.

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }
}

/// Words of a statement: names, numbers, quoted texts, and single characters.
fn words(sql: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for c in sql.chars() {
        let joined = quoted || c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if joined && (quoted || last.ends_with(|c: char| c.is_alphanumeric() || c == '_')) => {
                last.push(c)
            }
            _ => words.push(c.to_string()),
        }
        if c == '\'' {
            quoted = !quoted;
        }
    }
    words
}

/// Whether it is a keyword, which the list writes in capitals, another name, a number, an operator, or which character.
fn kind(word: &str) -> char {
    match word.chars().next() {
        Some(c) if c.is_ascii_digit() => '0',
        Some(c) if c.is_uppercase() => 'A',
        Some(c) if c.is_alphabetic() => 'a',
        Some(c) if "+-*/%<>=".contains(c) => '+',
        Some(c) => c,
        None => ' ',
    }
}

/// Statements that differ from those of the list by one edit.
pub struct Mutants {
    statements: Vec<Vec<String>>,
    random: Random,
}

impl Mutants {
    pub fn new(list: &str, seed: u64) -> Self {
        let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
        Self { statements: lines.map(words).collect(), random: Random(seed) }
    }
}

impl Iterator for Mutants {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (statements, random) = (&self.statements, &mut self.random);
        let original = &statements[random.below(statements.len())];
        let mut text = original.clone();
        // One edit: of several, one is an error nearly always, and no later stage sees the rest.
        // A statement's own words name tables that it has.
        let own = random.below(2) == 0;
        let other = if own { original } else { &statements[random.below(statements.len())] };
        let place = random.below(text.len());
        // Mostly a word of the same kind in the place of one, so that many are still statements.
        let alike: Vec<usize> = (0..other.len()).filter(|i| kind(&other[*i]) == kind(&text[place])).collect();
        if random.below(8) > 0 && !alike.is_empty() {
            text[place].clone_from(&other[alike[random.below(alike.len())]]);
        } else if text[place] != " " {
            let from = random.below(other.len());
            let length = 1 + random.below(3.min(other.len() - from));
            let end = (place + random.below(3)).min(text.len());
            text.splice(place..end, other[from..from + length].iter().cloned());
        }
        if text == *original { self.next() } else { Some(text.concat()) }
    }
}
