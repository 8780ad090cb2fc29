//! Flags that cargo-shaped callers pass, rust-analyzer first of all. The audit has no use for them;
//! `--with` hands them on to cargo.

use clap::Args;

/// Accepted and, without `--with`, ignored.
#[derive(Debug, Default, Args)]
pub struct CargoFlags {
    #[arg(long, hide = true)]
    keep_going: bool,
    #[arg(long, hide = true)]
    all_features: bool,
    #[arg(long, hide = true)]
    no_default_features: bool,
    #[arg(short = 'F', long, hide = true)]
    features: Vec<String>,
    #[arg(long, hide = true)]
    config: Vec<String>,
    #[arg(long, hide = true)]
    target_dir: Option<String>,
    #[arg(long, hide = true)]
    target: Vec<String>,
    #[arg(long, hide = true)]
    profile: Option<String>,
    #[arg(short, long, hide = true)]
    release: bool,
    #[arg(long, hide = true)]
    lib: bool,
    #[arg(long, hide = true)]
    bins: bool,
    #[arg(long, hide = true)]
    examples: bool,
    #[arg(long, hide = true)]
    tests: bool,
    #[arg(long, hide = true)]
    benches: bool,
    #[arg(long, hide = true)]
    bin: Vec<String>,
    #[arg(long, hide = true)]
    example: Vec<String>,
    #[arg(long, hide = true)]
    test: Vec<String>,
    #[arg(long, hide = true)]
    bench: Vec<String>,
    #[arg(long, hide = true)]
    ignore_rust_version: bool,
    #[arg(short = 'Z', hide = true)]
    unstable: Vec<String>,
    /// Use the lock file as it is
    #[arg(long, hide_short_help = true)]
    locked: bool,
    /// Use no network; the audit never does
    #[arg(long, hide_short_help = true)]
    offline: bool,
    /// Both of these
    #[arg(long, hide_short_help = true)]
    frozen: bool,
}

impl CargoFlags {
    /// What `cargo metadata` takes of them.
    #[must_use]
    pub fn for_metadata(&self) -> Vec<String> {
        let flags = [(self.locked, "--locked"), (self.offline, "--offline"), (self.frozen, "--frozen")];
        switches(&flags)
    }

    /// What `cargo check` takes of them: all.
    #[must_use]
    pub fn for_build(&self) -> Vec<String> {
        let mut args = switches(&[
            (self.keep_going, "--keep-going"),
            (self.all_features, "--all-features"),
            (self.no_default_features, "--no-default-features"),
            (self.release, "--release"),
            (self.lib, "--lib"),
            (self.bins, "--bins"),
            (self.examples, "--examples"),
            (self.tests, "--tests"),
            (self.benches, "--benches"),
            (self.ignore_rust_version, "--ignore-rust-version"),
        ]);
        let target_dir: Vec<String> = self.target_dir.iter().cloned().collect();
        let profile: Vec<String> = self.profile.iter().cloned().collect();
        let valued = [
            ("--features", &self.features),
            ("--config", &self.config),
            ("--target-dir", &target_dir),
            ("--target", &self.target),
            ("--profile", &profile),
            ("--bin", &self.bin),
            ("--example", &self.example),
            ("--test", &self.test),
            ("--bench", &self.bench),
            ("-Z", &self.unstable),
        ];
        for (flag, values) in valued {
            args.extend(values.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
        }
        args.extend(self.for_metadata());
        args
    }
}

fn switches(flags: &[(bool, &str)]) -> Vec<String> {
    flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned()).collect()
}
