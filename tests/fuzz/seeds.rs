//! Writes the seeds of a body to a folder, for a fuzzer to begin with: `seeds BODY FOLDER`.

use std::{env, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(name), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: seeds BODY FOLDER".into());
    };
    let body = torrap_fuzz::all().find(|body| body.name == name);
    let seeds = body.ok_or("no body of that name")?.seeds;
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds().into_iter().enumerate() {
        fs::write(Path::new(&folder).join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
