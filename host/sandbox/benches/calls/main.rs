//! What a call costs, for each shape of argument and result: in a fresh instance, in a kept one, natively, and through
//! wasmtime alone.
//!
//! `benches/calls/run.py` builds the component and reads the lines of JSON that this prints, one for each shape and way.
//! The work is that of `benches/calls/guest/src/work.rs` in all of them.

mod shapes;
mod wasmtime_alone;
#[path = "../../../../benches/calls/guest/src/work.rs"]
#[allow(
    unreachable_pub,
    missing_docs,
    clippy::all,
    reason = "it is of another crate"
)]
mod work;

use std::error::Error;
use std::time::{Duration, Instant};

use flowstone_sandbox::{Limits, Sandbox, SandboxConfig};

use crate::shapes::Shape;
use crate::wasmtime_alone::Kept;

type Outcome = Result<(), Box<dyn Error>>;

/// How long each is called again and again, and how often that is done.
#[derive(Clone, Copy)]
struct Plan {
    round: Duration,
    rounds: usize,
}

impl Plan {
    /// Measures one way of calling, and says so: nanoseconds of wall time for a row, the median of the rounds.
    fn measure(self, shape: &Shape, way: &str, mut call: impl FnMut() -> Outcome) -> Outcome {
        // Once to fill the caches, and to see how many calls a round has.
        call()?;
        let started = Instant::now();
        call()?;
        let once = started.elapsed().max(Duration::from_nanos(20));
        let calls = (self.round.as_nanos() / once.as_nanos()).clamp(1, 1_000_000) as u32;
        let mut rounds = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let started = Instant::now();
            for _ in 0..calls {
                call()?;
            }
            rounds.push(started.elapsed().as_nanos() as f64 / f64::from(calls) / shape.rows as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let line = serde_json::json!({
            "shape": shape.name, "way": way, "ns": rounds[rounds.len() / 2], "rows": shape.rows,
        });
        println!("{line}");
        Ok(())
    }
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let (Some(component), Some(round_ms)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: calls COMPONENT MILLISECONDS".into());
    };
    let plan = Plan {
        round: Duration::from_millis(round_ms.parse()?),
        rounds: 7,
    };
    let component = std::fs::read(component)?;
    let sandbox = Sandbox::new(SandboxConfig::for_threads(1))?;
    let plugin = sandbox.load(&component)?;
    let mut kept = Kept::new(&component)?;
    for shape in shapes::all() {
        let function = plugin
            .function(shape.function)
            .ok_or("no such function in the component")?;
        let limits = Limits::default();
        let given = function.call(&shape.arguments, &limits, [0; 32])?.value;
        if given.as_ref() != Some(&shape.result) {
            return Err(format!("{} gave {given:?}", shape.name).into());
        }
        plan.measure(&shape, "flowstone", || {
            function.call(&shape.arguments, &limits, [0; 32])?;
            Ok(())
        })?;
        let mut instance = function.keep(&limits, [0; 32])?;
        plan.measure(&shape, "flowstone, kept", || {
            instance.call(&function, &shape.arguments, [0; 32])?;
            Ok(())
        })?;
        // It has the only turn.
        drop(instance);
        let native = &shape.native;
        plan.measure(&shape, "native", || {
            native();
            Ok(())
        })?;
        if let Some([there, back]) = shape.copied() {
            let (mut given, mut taken) = (there.to_vec(), back.to_vec());
            plan.measure(&shape, "memcpy", || {
                given.copy_from_slice(std::hint::black_box(&there));
                taken.copy_from_slice(std::hint::black_box(&back));
                std::hint::black_box((&given, &taken));
                Ok(())
            })?;
        }
        kept.measure(plan, &shape)?;
    }
    Ok(())
}
