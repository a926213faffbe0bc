//! Writes the seeds below the directory that is named: `cargo run -p rumormill-hostile --example write_seeds fuzz/seeds`.

fn main() -> std::io::Result<()> {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: write_seeds DIRECTORY");
        std::process::exit(2);
    };
    for (target, seeds) in rumormill_hostile::seeds::all() {
        let dir = std::path::Path::new(&dir).join(target);
        std::fs::create_dir_all(&dir)?;
        for (name, bytes) in seeds {
            std::fs::write(dir.join(name), bytes)?;
        }
    }
    Ok(())
}
