//! How large a file and a function may be. Tests do not count: a story may be long.

use super::tokens::{Token, after_group, tests_in, tokens, without_tests};

/// Lines of a file, without its tests.
const LINES_MAX: usize = 500;
/// Lines of a file of tests.
const TEST_LINES_MAX: usize = 900;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 60;

/// The findings in one file.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if is_test(path) {
        let is_long = lines > TEST_LINES_MAX;
        return is_long
            .then(|| format!("{path}: {lines} lines, more than {TEST_LINES_MAX}"))
            .into_iter()
            .collect();
    }
    let all = tokens(text);
    let lines = lines - tests_in(&all).map(|test| test.count()).sum::<usize>();
    let mut findings = Vec::new();
    if lines > LINES_MAX {
        findings.push(format!("{path}: {lines} lines without tests, more than {LINES_MAX}: is it one job?"));
    }
    let code = without_tests(&all);
    let long = functions(&code).filter(|function| function.lines > FUNCTION_LINES_MAX);
    for Function { name, line, lines } in long {
        findings.push(format!("{path}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}"));
    }
    findings
}

/// Whether the whole file is a test, an example or a benchmark of one.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.contains("/tests/")
        || path.contains("/examples/")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

fn functions<'a>(code: &'a [Token<'a>]) -> impl Iterator<Item = Function<'a>> {
    code.windows(2).enumerate().filter_map(|(at, pair)| {
        let [token, name] = pair else { return None };
        if token.text != "fn" || !name.is_word() {
            return None;
        }
        let mut body = at + 2;
        loop {
            match code.get(body)?.text {
                "(" | "[" => body = after_group(code, body),
                "{" => break,
                ";" => return None,
                _ => body += 1,
            }
        }
        let end = code[after_group(code, body) - 1].line;
        Some(Function { name: name.text, line: token.line, lines: end + 1 - token.line })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn f(a: [u8; 3]) {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a line\n".repeat(300));
        let long = format!("{}{tests}", "const A: u8 = 1;\n".repeat(450));
        assert_eq!(check("crates/x/src/a.rs", &long), [""; 0]);
        let long = format!("{}{tests}", "const A: u8 = 1;\n".repeat(501));
        assert_eq!(check("crates/x/src/a.rs", &long).len(), 1);
        assert_eq!(check("crates/x/tests/a.rs", &long), [""; 0]);
        assert_eq!(check("crates/x/src/a/tests.rs", &long.repeat(2)).len(), 1);
    }

    #[test]
    fn a_long_function_is_found_and_a_long_test_is_not() {
        assert_eq!(check("crates/x/src/a.rs", &function(60)), [""; 0]);
        assert_eq!(check("crates/x/src/a.rs", &function(61)).len(), 1);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(80));
        assert_eq!(check("crates/x/src/a.rs", &test), [""; 0]);
        assert_eq!(check("crates/x/tests/a.rs", &function(80)), [""; 0]);
    }
}
