//! What a component exports is what its world says. Tools that put an interpreter into a component leave a function there
//! that they called to have the plugin's modules loaded; nobody is to call it again.
//!
//! An export is a definition in its component: those that follow move up when it is left out, and are named by other numbers.

use std::collections::BTreeSet;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{
    Component, ComponentExportSection, ComponentSectionId, RawSection, SectionId, reencode,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentTypeRef,
    CustomSectionReader, Parser, Payload,
};

/// The component with those of its exported functions and instances that are `wanted`, by their names.
///
/// # Errors
///
/// What is wrong with the component, when it cannot be read.
pub(super) fn only(component: &[u8], wanted: &BTreeSet<String>) -> Result<Vec<u8>, String> {
    let mut narrowed = Component::new();
    let mut narrowing = Narrowing {
        wanted,
        depth: 0,
        functions: Space::default(),
        instances: Space::default(),
    };
    narrowing
        .parse_component(&mut narrowed, Parser::new(0), component)
        .map_err(|error| error.to_string())?;
    Ok(narrowed.finish())
}

struct Narrowing<'a> {
    wanted: &'a BTreeSet<String>,
    /// How many definitions there are around the one at hand, that have numbers of their own.
    depth: usize,
    functions: Space,
    instances: Space,
}

/// The numbers of one kind of definition of the component.
#[derive(Default)]
struct Space {
    /// How many definitions came by.
    count: u32,
    /// The numbers of those that are left out, in order, and what each of them stood for.
    left_out: Vec<(u32, u32)>,
}

impl Space {
    fn define(&mut self) {
        self.count += 1;
    }

    /// Leaves out the next definition, which stands for another one.
    fn leave_out(&mut self, stands_for: u32) {
        self.left_out.push((self.count, stands_for));
        self.count += 1;
    }

    /// The number that a definition has now.
    fn now(&self, mut number: u32) -> u32 {
        // What an export stands for was defined before it.
        while let Ok(at) = (self.left_out).binary_search_by_key(&number, |(number, _)| *number) {
            number = self.left_out[at].1;
        }
        let before = self.left_out.partition_point(|(left, _)| *left < number);
        number - u32::try_from(before).unwrap_or(u32::MAX).min(number)
    }
}

impl Narrowing<'_> {
    /// Counts what a section of the component defines; exports are counted one by one.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Error<Infallible>> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    match import?.ty {
                        ComponentTypeRef::Func(_) => self.functions.define(),
                        ComponentTypeRef::Instance(_) => self.instances.define(),
                        _ => {}
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    if let ComponentAlias::InstanceExport { kind, .. } = alias?
                        && let Some(space) = self.space(kind)
                    {
                        space.define();
                    }
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions.clone() {
                    if matches!(function?, CanonicalFunction::Lift { .. }) {
                        self.functions.define();
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                (0..instances.count()).for_each(|_| self.instances.define());
            }
            _ => {}
        }
        Ok(())
    }

    fn space(&mut self, kind: ComponentExternalKind) -> Option<&mut Space> {
        match kind {
            ComponentExternalKind::Func => Some(&mut self.functions),
            ComponentExternalKind::Instance => Some(&mut self.instances),
            _ => None,
        }
    }
}

impl Reencode for Narrowing<'_> {
    type Error = Infallible;
}

impl ReencodeComponent for Narrowing<'_> {
    fn component_func_index(&mut self, number: u32) -> u32 {
        match self.depth {
            0 => self.functions.now(number),
            _ => number,
        }
    }

    fn component_instance_index(&mut self, number: u32) -> u32 {
        match self.depth {
            0 => self.instances.now(number),
            _ => number,
        }
    }

    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), Error<Infallible>> {
        self.count(&payload)?;
        reencode::component_utils::parse_component_payload(self, component, payload, whole)
    }

    /// Nothing of the component has a number in its modules.
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _: Parser,
        data: &[u8],
    ) -> Result<(), Error<Infallible>> {
        let id = ComponentSectionId::CoreModule.into();
        component.section(&RawSection { id, data });
        Ok(())
    }

    /// Nor in the components within it, but for types, modules and components, which keep their numbers.
    fn parse_component_subcomponent(
        &mut self,
        component: &mut Component,
        _: Parser,
        data: &[u8],
        _: &[u8],
    ) -> Result<(), Error<Infallible>> {
        let id = ComponentSectionId::Component.into();
        component.section(&RawSection { id, data });
        Ok(())
    }

    fn parse_component_export(
        &mut self,
        exports: &mut ComponentExportSection,
        export: ComponentExport<'_>,
    ) -> Result<(), Error<Infallible>> {
        let is_wanted = self.wanted.contains(export.name.name);
        if let Some(space) = self.space(export.kind) {
            if !is_wanted {
                space.leave_out(export.index);
                return Ok(());
            }
            space.define();
        }
        reencode::component_utils::parse_component_export(self, exports, export)
    }

    fn parse_component_custom_section(
        &mut self,
        component: &mut Component,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        // Names of definitions by their numbers, for debuggers.
        if section.name() != "component-name" {
            let id = SectionId::Custom.into();
            let data = section.data();
            component.section(&RawSection { id, data });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(component: &[u8]) -> Vec<String> {
        let component = flowstone::Component::load("c", component).expect("it is a component");
        let functions = component.interface().functions.iter();
        functions.map(|function| function.name.clone()).collect()
    }

    fn answer(component: &[u8], function: &str) -> Option<flowstone::core::Value> {
        let component = flowstone::Component::load("c", component).expect("it is a component");
        let called = component.call(function, &[], &flowstone::Limits::default(), [0; 32]);
        called.expect("it is there").expect("it returns").value
    }

    /// Functions and instances, with exports of both kinds that others are defined after, and by.
    const MIXED: &str = r#"(component
        (core module $m
            (func (export "one") (result i32) i32.const 1)
            (func (export "two") (result i32) i32.const 2)
            (func (export "three") (result i32) i32.const 3))
        (core instance $i (instantiate $m))
        (func $one (result u32) (canon lift (core func $i "one")))
        (export $left "init" (func $one))
        (func $two (result u32) (canon lift (core func $i "two")))
        (instance $all (export "init" (func $left)) (export "two" (func $two)))
        (export $all' "tool" (instance $all))
        (alias export $all "init" (func $again))
        (instance $kept (export "again" (func $again)))
        (export "a:b/kept@1.0.0" (instance $kept))
        (export "left" (func $left))
        (alias export $all' "two" (func $two'))
        (export "two" (func $two'))
        (func $three (result u32) (canon lift (core func $i "three")))
        (export "three" (func $three)))"#;

    #[test]
    fn what_is_not_wanted_goes_and_the_others_stay_what_they_are() {
        use flowstone::core::Value;
        let whole = wat::parse_str(MIXED).expect("it is a component");
        let wanted = ["a:b/kept@1.0.0", "left", "two", "three"];
        let narrowed = only(&whole, &wanted.map(str::to_owned).into()).expect("it is read");
        let mut names = exported(&narrowed);
        names.sort();
        assert_eq!(names, ["a:b/kept@1.0.0#again", "left", "three", "two"]);
        for (function, number) in [
            ("left", 1),
            ("a:b/kept@1.0.0#again", 1),
            ("two", 2),
            ("three", 3),
        ] {
            assert_eq!(
                answer(&narrowed, function),
                Some(Value::U32(number)),
                "{function}"
            );
        }
        let all = ["init", "tool"]
            .iter()
            .chain(&wanted)
            .map(|name| (*name).to_owned());
        let same = only(&whole, &all.collect()).expect("it is read");
        assert_eq!(exported(&same), exported(&whole));
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(only(b"\0asm\x0d\0\x01\0\x0b\x05", &BTreeSet::new()).is_err());
        assert!(only(b"\0asm\x01\0\0\0", &BTreeSet::new()).is_err());
        assert!(only(b"", &BTreeSet::new()).is_ok_and(|made| made.len() == 8));
    }
}
