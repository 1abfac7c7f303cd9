//! A small file system in a mount namespace of its own, where one can be had.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use test_support::Scratch;

/// It is there as long as this is: a shell that waits keeps the namespace alive.
pub struct Mounted {
    shell: Child,
    directory: Scratch,
}

impl Mounted {
    /// `None`, and a word on standard error, where nothing can be mounted.
    pub fn new(name: &str, size: &str) -> Option<Self> {
        let directory = Scratch::new(name);
        fs::create_dir(directory.path()).unwrap();
        let path = directory.path();
        let script = format!("mount -t tmpfs -o size={size} none {path} && echo mounted && read _");
        let mut shell = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut told = String::new();
        let stdout = shell.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut told).unwrap();
        let mounted = Self { shell, directory };
        if told != "mounted\n" {
            eprintln!("not tested: no file system can be mounted here");
            return None;
        }
        Some(mounted)
    }

    /// Its path, for those inside.
    pub fn path(&self) -> &str {
        self.directory.path()
    }

    /// The path of a file on it, for those outside.
    pub fn join(&self, name: &str) -> PathBuf {
        let pid = self.shell.id();
        PathBuf::from(format!("/proc/{pid}/root{}", self.path())).join(name)
    }

    /// The same command, inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args([
                "--user",
                "--mount",
                "--target",
                &self.shell.id().to_string(),
            ])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .stdin(Stdio::null());
        let path = std::env::var_os("PATH").map(|path| ("PATH".into(), path));
        let given = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        nsenter.envs(path.into_iter().chain(given));
        nsenter
    }

    /// Makes it `ro` or `rw`.
    pub fn remount(&self, mode: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{mode}"), self.path()]);
        let status = self.inside(&mount).status().unwrap();
        assert!(status.success(), "remount {mode}: {status}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
