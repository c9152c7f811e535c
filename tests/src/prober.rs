//! The plugin that tries to reach everything outside, built once per process; cargo keeps it between processes.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The component of `tests/prober`.
///
/// ```wit
/// /// Tries what the line says, such as `read data/words.txt`: what it came to, also where that is an error.
/// probe: func(line: string) -> string;
/// /// The lines that are not empty.
/// lines: func(content: string) -> list<string>;
/// ```
///
/// # Panics
///
/// When it cannot be built.
pub fn prober() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(build)
}

fn build() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where the tests were built: what the build needs of this machine is there already.
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| folder.join("../target"), |target| folder.join(target));
    let built = Command::new("cargo")
        .current_dir(folder.join("prober"))
        .args([
            "build",
            "--locked",
            "--target",
            "wasm32-wasip2",
            "--target-dir",
        ])
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let component = target.join("wasm32-wasip2/debug/prober.wasm");
    std::fs::read(component).expect("cargo makes a component")
}
