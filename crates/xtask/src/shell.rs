//! Running other programs, and where things are.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The project's directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/xtask lies two levels down").to_owned()
}

/// The cargo that runs us, in the project's directory.
pub fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs `command`, which must succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs `command`, which must succeed, and returns its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", line(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|s| s.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Does `work` under a heading with the time it took.
pub fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("\n=== {name}");
    let start = Instant::now();
    work().with_context(|| format!("{name} failed"))?;
    eprintln!("=== {name}: done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Builds the binary that the tests use and returns where it is: `target/debug/rumormill`.
///
/// It links in seconds, where the release binary's link-time optimisation takes minutes. All members of the workspace are selected, since
/// cargo then gives the dependencies the features that the tests give them: whoever runs demo and tests compiles nearly all of them once.
pub fn test_binary() -> Result<PathBuf> {
    run(&mut cargo(["build", "--workspace", "--bin", "rumormill"]))?;
    Ok(target_dir()?.join("debug/rumormill"))
}

/// Builds the release binary and returns where it is: `target/release/rumormill`.
///
/// Where the C library can be linked into it, it is: then it runs on any Linux of this architecture, starts in half the time, and a megabyte
/// less of it is resident. Code that an agent seldom runs is kept apart (`cold.ld`); its patterns want type names in symbols (mangling v0).
/// Cargo takes these wishes only for a target that is named, as they must not reach what is built for the build itself.
pub fn release_binary() -> Result<PathBuf> {
    release_build(&["--package", "rumormill-cli", "--bin", "rumormill"], "rumormill")
}

/// Builds a program as the release binary is built. `what` selects it for cargo, which puts it to `place` below `release`.
pub fn release_build(what: &[&str], place: &str) -> Result<PathBuf> {
    let released = target_dir()?.join("release").join(place);
    let mut build = cargo(["build", "--release"]);
    build.args(what);
    let Some(target) = static_target()? else {
        run(&mut build)?;
        return Ok(released);
    };
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags += " -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs";
    // A path within the checkout, where cargo starts the linker: flags end at a space.
    flags += " -C symbol-mangling-version=v0 -C link-arg=-Wl,-T,crates/cli/cold.ld";
    run(build.args(["--target", &target]).env("RUSTFLAGS", flags))?;
    let built = target_dir()?.join(&target).join("release").join(place);
    std::fs::create_dir_all(released.parent().expect("it is in a directory"))?;
    // Not over the one that may be running.
    let beside = released.with_extension("new");
    std::fs::copy(&built, &beside).with_context(|| format!("cannot copy {}", built.display()))?;
    std::fs::rename(&beside, &released)?;
    Ok(released)
}

/// Builds ourselves optimised and returns where we are: an observer of thousands of deliveries a second takes half a core otherwise, beside the agents that
/// it measures.
pub fn release_harness() -> Result<PathBuf> {
    run(&mut cargo(["build", "--release", "--package", "rumormill-xtask"]))?;
    Ok(target_dir()?.join("release/rumormill-xtask"))
}

/// This machine's target, if its C library can be linked in.
fn static_target() -> Result<Option<String>> {
    let rustc = output(Command::new("rustc").arg("-vV"))?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let found = Command::new("cc").arg("-print-file-name=libc.a").output();
    // Without such a file the compiler prints the bare name.
    let has_libc = found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).trim().starts_with('/'));
    Ok((host.ends_with("-linux-gnu") && has_libc).then(|| host.to_owned()))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata names no target directory")?.into())
}

/// What cargo knows of the workspace, without its dependencies.
pub fn metadata() -> Result<serde_json::Value> {
    let json = output(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str(&json)?)
}

/// All files of the project: those that git tracks or would take up, without what it ignores. Paths relative to the root.
pub fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let list = output(&mut git)?;
    Ok(list.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect())
}
