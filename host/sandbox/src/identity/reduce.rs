//! A component without the code that some of its functions do not need: quicker to compile, and the same to call.

use std::collections::HashSet;
use std::ops::Range;

use wasmparser::{FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator};

use super::{WORK_MAX, Work, link, nodes, parse, walk};
use crate::engine::FEATURES;

/// A body without locals, and a trap as often as there is room: a compiler makes next to nothing of it.
const NO_LOCALS: u8 = 0x00;
const UNREACHABLE: u8 = 0x00;

/// The component with a trap in place of the body of every function that a call of `functions` cannot reach, by the same
/// reasoning as that of digests. Nothing where that is not known, be it because the component is not valid; nor where more
/// than half of the code is needed: what is compiled of all of it serves all functions.
///
/// Sizes and indices stay as they are. Bodies are not validated.
pub(crate) fn reduced<'n>(
    component: &[u8],
    functions: impl IntoIterator<Item = &'n str>,
) -> Option<Vec<u8>> {
    let parsed = parse::parse(component).ok()?;
    let mut work = Work(WORK_MAX);
    let linked = link::link(&parsed, &mut work)?;
    let mut graph = nodes::Graph::new(&parsed, &linked);
    let mut walker = walk::Walker::default();
    let mut needed = HashSet::new();
    for name in functions {
        let (instance, name) = match name.split_once('#') {
            Some((instance, name)) => (Some(instance), name),
            None => (None, name),
        };
        let function = linked.exported(instance, name)?;
        walker.digest(&mut graph, function, &mut work)?;
        let bodies = walker
            .walked()
            .iter()
            .filter_map(|&node| graph.body_of(node));
        needed.extend(bodies);
    }
    let (mut all_bytes, mut spared_bytes) = (0, 0);
    let mut spared = Vec::new();
    for (number, module) in parsed.modules.iter().enumerate() {
        for (index, body) in (0..).zip(&module.bodies) {
            all_bytes += body.range().len();
            if !needed.contains(&(number, index)) {
                spared_bytes += body.range().len();
                spared.push(body.range());
            }
        }
    }
    let needed_bytes = all_bytes - spared_bytes;
    (needed_bytes <= spared_bytes).then(|| without(component, spared))
}

/// The component with a trap in place of every body: what it offers and asks for is to be seen of that as well. Here, bodies
/// are validated.
///
/// # Errors
///
/// When the component is not valid.
pub(crate) fn emptied(component: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    let mut bodies = Vec::new();
    for payload in parser.parse_all(component) {
        let payload: Payload<'_> = payload?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            function.validate(&body)?;
            allocations = function.into_allocations();
            bodies.push(body.range());
        }
    }
    Ok(without(component, bodies))
}

/// The component with a trap in place of these bodies.
fn without(component: &[u8], bodies: Vec<Range<usize>>) -> Vec<u8> {
    let mut component = component.to_vec();
    for body in bodies {
        // The last byte is the `end` that every body has.
        if let Some([locals, instructions @ .., _]) = component.get_mut(body) {
            *locals = NO_LOCALS;
            instructions.fill(UNREACHABLE);
        }
    }
    component
}
