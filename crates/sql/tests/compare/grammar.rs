//! Random statements that both engines understand, and whose order of rows is certain.

/// SplitMix64, and a grammar of typed expressions.
pub struct Random(pub u64);

/// The types of the grammar's expressions.
#[derive(Copy, Clone)]
enum Of {
    Int,
    Numeric,
    Float,
    Text,
    Bool,
    Time,
    Span,
}

const ALL: [Of; 7] = [Of::Int, Of::Numeric, Of::Float, Of::Text, Of::Bool, Of::Time, Of::Span];

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

    fn any(&mut self, depth: usize) -> String {
        let of = ALL[self.below(ALL.len())];
        self.of(of, depth)
    }

    fn of(&mut self, of: Of, depth: usize) -> String {
        if depth > 0 && self.below(6) == 0 {
            return self.choice(of, depth - 1);
        }
        match of {
            Of::Int => self.int(depth),
            Of::Numeric => self.numeric(depth),
            Of::Float => self.float(depth),
            Of::Text => self.text(depth),
            Of::Bool => self.condition(depth),
            Of::Time => self.time(depth),
            Of::Span => self.span(depth),
        }
    }

    /// An expression that takes one of several of a type.
    fn choice(&mut self, of: Of, depth: usize) -> String {
        let (a, b) = (self.of(of, depth), self.of(of, depth));
        match self.below(5) {
            0 => format!("coalesce({a}, {b})"),
            1 => format!("nullif({a}, {b})"),
            2 if !matches!(of, Of::Bool) => format!("{}({a}, {b})", self.pick(&["greatest", "least"])),
            3 => {
                let (operand, value) = (self.int(depth), self.int(depth));
                format!("CASE {operand} WHEN {value} THEN {a} ELSE {b} END")
            }
            _ => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.condition(depth)),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "cpus",
                "cpus",
                "0",
                "1",
                "2",
                "(0 - 3)",
                "7",
                "NULL::int8",
                "length(name)::int8",
            ]);
        }
        let d = depth - 1;
        match self.below(9) {
            // PostgreSQL computes a division of constants even where no row needs it.
            0 | 1 => {
                let operator = self.pick(&["+", "-", "*", "+ cpus /", "- cpus %"]);
                format!("({} {operator} {})", self.int(d), self.int(d))
            }
            2 => format!("length({})::int8", self.text(d)),
            3 => format!("strpos({}, {})::int8", self.text(d), self.text(d)),
            4 => format!("abs({})", self.int(d)),
            5 => format!("({})::int8", self.numeric(d)),
            6 => "(tags->>'rank')::int8".to_owned(),
            7 => format!(
                "(SELECT count(*) FROM roles r WHERE r.wants > {} OR r.role = hosts.role)",
                self.int(d)
            ),
            _ => format!("extract({} FROM seen)::int8", self.pick(&["year", "minute", "week", "dow", "doy"])),
        }
    }

    fn numeric(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "0.1",
                "2.50",
                "-7.125",
                "1e2",
                "0.001",
                "10.0",
                "9.5",
                "cpus::numeric",
                "load1::numeric",
                "cpus * 0.5",
                "NULL::numeric",
                "12345678901234567890.5",
            ]);
        }
        let d = depth - 1;
        match self.below(14) {
            0..=2 => format!("({} {} {})", self.numeric(d), self.pick(&["+", "-", "*"]), self.numeric(d)),
            3 => format!("({} {} {})", self.int(d), self.pick(&["+", "-", "*"]), self.numeric(d)),
            4 | 5 => format!(
                "({} / (abs({}) + {}))",
                self.numeric(d),
                self.numeric(d),
                self.pick(&["1", "0.3", "2.75"])
            ),
            6 => format!("({} % {})", self.numeric(d), self.pick(&["3.5", "2", "0.7"])),
            7 => format!(
                "{}({}, {})",
                self.pick(&["round", "trunc"]),
                self.numeric(d),
                self.pick(&["0", "1", "3", "-1"])
            ),
            8 => {
                let name = self.pick(&["round", "ceil", "floor", "abs", "sign", "trunc", "-"]);
                format!("{name}({})", self.numeric(d))
            }
            9 => format!("({})::numeric(12, {})", self.numeric(d), self.pick(&["0", "2", "3"])),
            10 => format!("sqrt(abs({}))", self.numeric(d)),
            11 => {
                format!("extract({} FROM {})", self.pick(&["epoch", "second", "day", "hour"]), self.span(d))
            }
            12 => format!("extract({} FROM {})", self.pick(&["epoch", "second", "month"]), self.time(d)),
            _ => format!("({})::numeric", self.pick(&["load1", "'1.50'", "cpus", "load1 * 0.1::float8"])),
        }
    }

    fn float(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "load1",
                "load1",
                "0.5::float8",
                "1e10::float8",
                "0.1::float8",
                "NULL::float8",
            ]);
        }
        let d = depth - 1;
        match self.below(6) {
            0 | 1 => format!("({} {} {})", self.float(d), self.pick(&["+", "-", "*"]), self.float(d)),
            2 => format!("({} {} {})", self.float(d), self.pick(&["+", "-", "*"]), self.int(d)),
            3 => format!("({})::float8", self.numeric(d)),
            4 => format!(
                "{}({})",
                self.pick(&["abs", "ceil", "floor", "round", "trunc", "sign"]),
                self.float(d)
            ),
            _ => format!("sqrt(abs({}))", self.float(d)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&["name", "role", "'web'", "'h%'", "''", "NULL::text", "'a_b'", "'Ä ö'"]);
        }
        let d = depth - 1;
        match self.below(14) {
            0 | 1 => format!("({} || {})", self.text(d), self.text(d)),
            2 => {
                let name = self.pick(&["upper", "lower", "reverse", "btrim", "ltrim", "rtrim"]);
                format!("{name}({})", self.text(d))
            }
            3 => format!("substr({}, {}::int)", self.text(d), self.pick(&["0", "2", "-1"])),
            4 => format!("replace({}, 'h', {})", self.text(d), self.text(d)),
            5 => format!(
                "{}({}, {})",
                self.pick(&["left", "right"]),
                self.text(d),
                self.pick(&["2", "-1", "0"])
            ),
            6 => format!("{}({}, 6, 'xy')", self.pick(&["lpad", "rpad"]), self.text(d)),
            7 => format!("split_part({}, 'o', {})", self.text(d), self.pick(&["1", "2", "-1"])),
            8 => format!("({})::text", self.numeric(d)),
            9 => format!("({})::text", self.span(d)),
            10 => format!("({})::text", self.time(d)),
            11 => format!("concat({}, {}, {})", self.text(d), self.int(d), self.numeric(d)),
            12 => format!("concat_ws('-', {}, {}, {})", self.text(d), self.condition(d), self.float(d)),
            _ => format!("({})::text", self.int(d)),
        }
    }

    fn time(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&["seen", "seen", "timestamptz '2026-01-31 10:20:30.5'", "NULL::timestamptz"]);
        }
        let d = depth - 1;
        match self.below(4) {
            0 | 1 => format!("({} {} {})", self.time(d), self.pick(&["+", "-"]), self.span(d)),
            2 => {
                let unit = self.pick(&["hour", "day", "week", "month", "quarter", "minute"]);
                format!("date_trunc('{unit}', {})", self.time(d))
            }
            _ => self.time(d),
        }
    }

    fn span(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "interval '24 hours'",
                "interval '1 day'",
                "interval '90 minutes'",
                "interval '1 month'",
                "interval '-1 day 02:03:04.5'",
                "(seen - timestamptz '2026-11-28')",
                "NULL::interval",
            ]);
        }
        let d = depth - 1;
        match self.below(7) {
            0 | 1 => format!("({} {} {})", self.span(d), self.pick(&["+", "-"]), self.span(d)),
            2 => format!("({} * {})", self.span(d), self.pick(&["2", "0.5", "-1.25", "cpus"])),
            3 => format!("({} / {})", self.span(d), self.pick(&["2", "3", "0.25"])),
            4 => format!("(- {})", self.span(d)),
            5 => format!("({} - {})", self.time(d), self.time(d)),
            _ => format!("age({}, {})", self.time(d), self.time(d)),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.below(3) {
                0 => "up".into(),
                1 => format!("load1 {} {}", self.pick(&["<", ">=", "<>"]), self.pick(&["0.5", "1", "1.25"])),
                _ => format!(
                    "role {}",
                    self.pick(&[
                        "IS NULL",
                        "IS NOT NULL",
                        "IN ('web', 'db')",
                        "NOT IN ('web', NULL)",
                        "LIKE '%b'",
                        "~ '^c'",
                        "ILIKE 'W%'",
                        "= ANY (ARRAY['db', 'cache'])",
                    ])
                ),
            };
        }
        let d = depth - 1;
        match self.below(12) {
            0..=2 => {
                let of = [Of::Int, Of::Numeric, Of::Float, Of::Text, Of::Time, Of::Span][self.below(6)];
                let operator = self.pick(&["=", "<", ">=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
                format!("({} {operator} {})", self.of(of, d), self.of(of, d))
            }
            3 => {
                let (a, b) =
                    ([Of::Int, Of::Numeric, Of::Float][self.below(3)], [Of::Int, Of::Numeric][self.below(2)]);
                format!("({} {} {})", self.of(a, d), self.pick(&["=", "<", ">"]), self.of(b, d))
            }
            4 => format!("({} {} {})", self.condition(d), self.pick(&["AND", "OR"]), self.condition(d)),
            5 => format!("NOT ({})", self.condition(d)),
            6 => {
                format!("({}) IS {}", self.condition(d), self.pick(&["TRUE", "NOT TRUE", "FALSE", "UNKNOWN"]))
            }
            7 => {
                let of = [Of::Int, Of::Numeric, Of::Text][self.below(3)];
                format!("{} BETWEEN {} AND {}", self.of(of, d), self.of(of, d), self.of(of, d))
            }
            8 => {
                let of = [Of::Int, Of::Numeric, Of::Text, Of::Span][self.below(4)];
                format!("{} IN ({}, {}, {})", self.of(of, d), self.of(of, d), self.of(of, d), self.of(of, d))
            }
            9 => format!(
                "{} IN (SELECT wants * {} FROM roles)",
                self.numeric(d),
                self.pick(&["1", "0.5", "1.0"])
            ),
            10 => format!(
                "EXISTS (SELECT 1 FROM roles r WHERE r.role = hosts.role AND r.wants > {})",
                self.int(d)
            ),
            _ => {
                let of = ALL[self.below(ALL.len())];
                format!("({}) IS {}", self.of(of, d), self.pick(&["NULL", "NOT NULL"]))
            }
        }
    }

    /// A value whose text is the same for all equal ones: 1.0 and 1.00 are equal, and either may stand for a group of both.
    fn key(&mut self) -> String {
        match self.below(6) {
            0 => self.text(2),
            1 => self.condition(2),
            2 => self.time(2),
            3 => format!("round({}, 2)", self.numeric(2)),
            4 => format!("extract(epoch FROM {})", self.span(2)),
            _ => self.int(2),
        }
    }

    fn aggregate(&mut self) -> String {
        let (int, numeric) = (self.int(1), self.numeric(1));
        let inner = match self.below(13) {
            0 => format!("count({})", self.any(1)),
            1 => format!("count(DISTINCT {})", self.key()),
            2 => format!("sum({int})"),
            3 => format!("avg({int})"),
            4 => format!("sum({numeric})"),
            5 => format!("avg({numeric})"),
            6 => format!("{}(round({numeric}, 3))", self.pick(&["min", "max"])),
            7 => format!("{}({})", self.pick(&["min", "max"]), self.text(1)),
            8 => format!("{}({})", self.pick(&["min", "max"]), self.time(1)),
            9 => format!("{}({})", self.pick(&["bool_and", "bool_or"]), self.condition(1)),
            10 => format!(
                "{}({})",
                self.pick(&["variance", "stddev", "var_pop", "stddev_pop"]),
                self.pick(&["cpus", "cpus * 0.5", "cpus::numeric"])
            ),
            11 => format!("string_agg({}, ',' ORDER BY hosts.name)", self.text(1)),
            _ => "sum(load1)".to_owned(),
        };
        if self.below(4) == 0 { format!("{inner} FILTER (WHERE {})", self.condition(1)) } else { inner }
    }

    fn limit(&mut self) -> String {
        match self.below(3) {
            0 => format!(" LIMIT {} OFFSET {}", self.below(6), self.below(4)),
            1 => format!(" OFFSET {}", self.below(6)),
            _ => String::new(),
        }
    }

    fn direction(&mut self) -> String {
        self.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
    }

    fn window(&mut self) -> String {
        let function = match self.below(10) {
            0 => self.pick(&["row_number()", "rank()", "dense_rank()"]),
            1 => format!("lag({}) ", self.any(1)),
            2 => format!("lead({}, 2)", self.any(1)),
            3 => format!("first_value({})", self.any(1)),
            4 => format!("sum({})", self.int(1)),
            5 => format!("avg({})", self.int(1)),
            6 => format!("sum({})", self.numeric(1)),
            7 => format!("avg({})", self.numeric(1)),
            8 => format!("count({})", self.any(1)),
            _ => format!("{}({})", self.pick(&["min", "max"]), self.text(1)),
        };
        let partition =
            if self.below(2) == 0 { format!("PARTITION BY {} ", self.key()) } else { String::new() };
        let frame = self.pick(&[
            "",
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        format!("{function} OVER ({partition}ORDER BY hosts.name{}{frame})", self.pick(&["", " DESC"]))
    }

    pub fn select(&mut self) -> String {
        match self.below(10) {
            0 | 1 => format!(
                "SELECT {}, {}, {} FROM hosts WHERE {} ORDER BY hosts.name{}",
                self.any(3),
                self.any(2),
                self.any(2),
                self.condition(3),
                self.limit()
            ),
            2 | 3 => format!(
                "SELECT {k} AS k, count(*), {}, {} FROM hosts WHERE {} GROUP BY {k} HAVING {} > {} ORDER BY 1{}",
                self.aggregate(),
                self.aggregate(),
                self.condition(1),
                self.pick(&["count(*)", "sum(cpus)", "avg(cpus)", "max(load1)"]),
                self.below(3),
                self.direction(),
                k = self.key(),
            ),
            4 => format!(
                "SELECT DISTINCT {} AS a, {} AS b FROM hosts ORDER BY b{}, a{}",
                self.key(),
                self.key(),
                self.direction(),
                self.direction()
            ),
            5 => format!(
                "SELECT name, owner, {} FROM hosts {} JOIN roles ON hosts.role = roles.role AND {} ORDER BY name, owner",
                self.pick(&["wants * 0.5", "wants / 2.0", "cpus - wants", "coalesce(wants, 0.0)"]),
                self.pick(&["LEFT", "RIGHT", "FULL", "INNER"]),
                self.pick(&["cpus > 1", "wants = cpus", "up", "wants > 1.5"]),
            ),
            6 => {
                let of = [Of::Int, Of::Text, Of::Bool, Of::Time][self.below(4)];
                format!(
                    "SELECT {}, {} FROM hosts WHERE {} {} SELECT {}, {} FROM hosts WHERE {} ORDER BY 1, 2{}",
                    self.of(of, 2),
                    self.int(1),
                    self.condition(1),
                    self.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]),
                    self.of(of, 2),
                    self.int(1),
                    self.condition(1),
                    self.limit()
                )
            }
            7 => format!("SELECT name, {}, {} FROM hosts ORDER BY name", self.window(), self.window()),
            8 => format!(
                "SELECT x, y FROM (SELECT name, {} AS x, {} AS y FROM hosts) s WHERE x IS {} ORDER BY y{}, s.name{}",
                self.any(2),
                self.key(),
                self.pick(&["NULL", "NOT NULL", "NOT DISTINCT FROM x"]),
                self.direction(),
                self.limit()
            ),
            _ => format!(
                "WITH w AS (SELECT role, {} AS v FROM hosts GROUP BY role) SELECT name, v, (SELECT {} FROM hosts WHERE {}) FROM hosts LEFT JOIN w ON w.role = hosts.role ORDER BY name",
                self.aggregate(),
                self.aggregate(),
                self.condition(1),
            ),
        }
    }
}
