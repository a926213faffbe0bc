//! Random statements that both engines understand.

/// SplitMix64, and a small grammar of statements whose order of rows is certain.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.below(from.len())].to_owned()
    }

    fn int(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 8 }) {
            0 => "cpus".into(),
            1 => self.pick(&["0", "1", "2", "(0 - 3)", "NULL::int8", "7"]),
            2 => "length(name)::int8".into(),
            // PostgreSQL computes a division of constants even where no row needs it.
            3 => format!(
                "({} {} {})",
                self.int(depth - 1),
                self.pick(&["+", "-", "*", "+ cpus /", "- cpus %"]),
                self.int(depth - 1)
            ),
            4 => format!("coalesce({}, {})", self.int(depth - 1), self.int(depth - 1)),
            5 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(depth - 1),
                self.int(depth - 1),
                self.int(depth - 1)
            ),
            6 => format!("nullif({}, {})", self.int(depth - 1), self.int(depth - 1)),
            _ => format!("greatest({}, {})", self.int(depth - 1), self.int(depth - 1)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0 => "name".into(),
            1 => "role".into(),
            2 => self.pick(&["'web'", "'h%'", "''", "NULL::text", "'a_b'"]),
            3 => format!("({} || {})", self.text(depth - 1), self.text(depth - 1)),
            4 => format!("{}({})", self.pick(&["upper", "lower", "reverse", "btrim"]), self.text(depth - 1)),
            5 => format!("substr({}, {}::int)", self.text(depth - 1), self.pick(&["0", "2", "-1"])),
            _ => format!("replace({}, 'h', {})", self.text(depth - 1), self.text(depth - 1)),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 10 }) {
            0 => "up".into(),
            1 => format!("load1 {} {}", self.pick(&["<", ">=", "<>"]), self.pick(&["0.5", "1", "1.25"])),
            2 => format!(
                "role {}",
                self.pick(&[
                    "IS NULL",
                    "IS NOT NULL",
                    "IN ('web', 'db')",
                    "NOT IN ('web', NULL)",
                    "LIKE '%b'",
                    "~ '^c'"
                ])
            ),
            3 => format!(
                "({} {} {})",
                self.int(depth - 1),
                self.pick(&["=", "<", ">=", "IS DISTINCT FROM"]),
                self.int(depth - 1)
            ),
            4 => format!(
                "({} {} {})",
                self.text(depth - 1),
                self.pick(&["=", "<", ">", "<>"]),
                self.text(depth - 1)
            ),
            5 => format!(
                "({} {} {})",
                self.condition(depth - 1),
                self.pick(&["AND", "OR"]),
                self.condition(depth - 1)
            ),
            6 => format!("NOT ({})", self.condition(depth - 1)),
            7 => format!(
                "({}) IS {}",
                self.condition(depth - 1),
                self.pick(&["TRUE", "NOT TRUE", "FALSE", "UNKNOWN"])
            ),
            8 => {
                format!("{} BETWEEN {} AND {}", self.int(depth - 1), self.int(depth - 1), self.int(depth - 1))
            }
            _ => format!(
                "{} IN (SELECT wants FROM roles WHERE {} IS NOT NULL)",
                self.int(depth - 1),
                self.text(depth - 1)
            ),
        }
    }

    pub fn select(&mut self) -> String {
        let (a, b) = (self.int(2), self.text(2));
        match self.below(4) {
            0 => format!("SELECT {a}, {b} FROM hosts WHERE {} ORDER BY hosts.name", self.condition(3)),
            1 => format!(
                "SELECT {a} AS a, count(*), sum(cpus), min(name), max(load1), bool_or(up) FROM hosts GROUP BY {a} HAVING count(*) > {} ORDER BY 1, 2",
                self.below(3)
            ),
            2 => format!("SELECT DISTINCT {a} AS a, {b} AS b FROM hosts ORDER BY b, a DESC"),
            _ => format!(
                "SELECT name, owner FROM hosts {} JOIN roles ON hosts.role = roles.role AND {} ORDER BY name, owner",
                self.pick(&["LEFT", "RIGHT", "FULL", "INNER"]),
                self.pick(&["cpus > 1", "wants = cpus", "up", "wants > 1"]),
            ),
        }
    }
}
