//! Types of component functions by structure, and what the resources in them are.
//!
//! Names of parameters do not count: nobody can call by them. Names of fields and cases do, as they do in values.

use std::collections::HashMap;

use wasmparser::component_types::{
    AliasableResourceId, ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType,
    ComponentFuncTypeId, ComponentInstanceTypeId, ComponentValType, ResourceId,
};
use wasmparser::names::KebabString;
use wasmparser::types::Types;

use super::Work;
use super::parse::{Argument, ArgumentType};

/// How deep types may be nested; the validation allows no more either.
const DEPTH_MAX: usize = 100;

/// What a resource is: the digest of the name under which the host gives it. Others are not in here.
pub(super) type Resources = HashMap<ResourceId, [u8; 32]>;

/// The digest of something that the host gives under `name` in what it gives as `path`.
pub(super) fn label(path: &[u8; 32], name: &str) -> [u8; 32] {
    *blake3::Hasher::new_keyed(path)
        .update(name.as_bytes())
        .finalize()
        .as_bytes()
}

/// The digest of a function's type. Nothing for a type that is not understood, or has resources of the component's own.
pub(super) fn function(
    types: &Types,
    id: ComponentFuncTypeId,
    resources: &Resources,
    work: &mut Work,
) -> Option<[u8; 32]> {
    let ty = &types[id];
    let mut writer = Writer {
        types,
        resources,
        work,
        text: Vec::new(),
    };
    writer.text.push(u8::from(ty.async_));
    writer.len(ty.params.len());
    for (_, ty) in &ty.params {
        writer.value(*ty, 0)?;
    }
    writer.optional(ty.result, 0)?;
    Some(*blake3::hash(&writer.text).as_bytes())
}

/// Writes types out, each part with its length or a fixed number of parts.
struct Writer<'t> {
    types: &'t Types,
    resources: &'t Resources,
    work: &'t mut Work,
    text: Vec<u8>,
}

impl Writer<'_> {
    fn len(&mut self, len: usize) {
        self.text.extend((len as u64).to_le_bytes());
    }

    fn name(&mut self, name: &str) -> Option<()> {
        self.work.take(1 + name.len() / 8)?;
        self.len(name.len());
        self.text.extend(name.as_bytes());
        Some(())
    }

    fn optional(&mut self, ty: Option<ComponentValType>, depth: usize) -> Option<()> {
        self.text.push(u8::from(ty.is_some()));
        ty.map_or(Some(()), |ty| self.value(ty, depth))
    }

    fn value(&mut self, ty: ComponentValType, depth: usize) -> Option<()> {
        // A few types that name each other are a great many when written out.
        self.work.take(16)?;
        if depth > DEPTH_MAX {
            return None;
        }
        match ty {
            ComponentValType::Primitive(primitive) => self.primitive(primitive),
            ComponentValType::Type(id) => {
                let types = self.types;
                self.defined(&types[id], depth + 1)
            }
        }
    }

    fn primitive(&mut self, ty: wasmparser::PrimitiveValType) -> Option<()> {
        use wasmparser::PrimitiveValType as P;
        self.text.push(match ty {
            P::Bool => 0,
            P::S8 => 1,
            P::U8 => 2,
            P::S16 => 3,
            P::U16 => 4,
            P::S32 => 5,
            P::U32 => 6,
            P::S64 => 7,
            P::U64 => 8,
            P::F32 => 9,
            P::F64 => 10,
            P::Char => 11,
            P::String => 12,
            P::ErrorContext => return None,
        });
        Some(())
    }

    fn defined(&mut self, ty: &ComponentDefinedType, depth: usize) -> Option<()> {
        use ComponentDefinedType as D;
        match ty {
            D::Primitive(primitive) => return self.primitive(*primitive),
            D::Record(record) => {
                self.text.push(20);
                self.len(record.fields.len());
                for (name, ty) in &record.fields {
                    self.name(name.as_str())?;
                    self.value(*ty, depth)?;
                }
            }
            D::Variant(variant) => {
                self.text.push(21);
                self.len(variant.cases.len());
                for (name, case) in &variant.cases {
                    self.name(name.as_str())?;
                    self.optional(case.ty, depth)?;
                }
            }
            D::List { element, .. } => {
                self.text.push(22);
                self.value(*element, depth)?;
            }
            D::Tuple(tuple) => {
                self.text.push(23);
                self.len(tuple.types.len());
                for ty in &tuple.types {
                    self.value(*ty, depth)?;
                }
            }
            D::Flags(names) => self.names(24, names.iter().map(KebabString::as_str))?,
            D::Enum(names) => self.names(25, names.iter().map(KebabString::as_str))?,
            D::Option { ty, .. } => {
                self.text.push(26);
                self.value(*ty, depth)?;
            }
            D::Result { ok, err, .. } => {
                self.text.push(27);
                self.optional(*ok, depth)?;
                self.optional(*err, depth)?;
            }
            D::Own(resource) => self.resource(28, *resource)?,
            D::Borrow(resource) => self.resource(29, *resource)?,
            _ => return None,
        }
        Some(())
    }

    fn names<'n>(&mut self, kind: u8, names: impl ExactSizeIterator<Item = &'n str>) -> Option<()> {
        self.text.push(kind);
        self.len(names.len());
        for name in names {
            self.name(name)?;
        }
        Some(())
    }

    fn resource(&mut self, kind: u8, resource: AliasableResourceId) -> Option<()> {
        self.text.push(kind);
        self.text.extend(self.resources.get(&resource.resource())?);
        Some(())
    }
}

/// Notes the resources that the host gives with an import of the outermost component.
///
/// The same resource often comes again, in interfaces that use it. The first name is that of its own interface.
pub(super) fn imported(
    types: &Types,
    ty: ComponentEntityType,
    path: [u8; 32],
    resources: &mut Resources,
    work: &mut Work,
) -> Option<()> {
    let mut open = vec![(ty, path)];
    while let Some((ty, path)) = open.pop() {
        work.take(1)?;
        match ty {
            ComponentEntityType::Type {
                referenced: ComponentAnyTypeId::Resource(id),
                ..
            } => {
                resources.entry(id.resource()).or_insert(path);
            }
            ComponentEntityType::Instance(id) => {
                let exports = &types[id].exports;
                work.take(exports.len())?;
                open.extend(
                    exports
                        .iter()
                        .map(|(name, item)| (item.ty, label(&path, name))),
                );
            }
            _ => {}
        }
    }
    Some(())
}

/// What the resources are that a component imports, when it is instantiated with these arguments.
pub(super) fn given<'a>(
    types: &Types,
    imports: impl Iterator<Item = (&'a str, ComponentEntityType)>,
    args: &[Argument<'_>],
    user: &Resources,
    work: &mut Work,
) -> Option<Resources> {
    let args: HashMap<&str, ArgumentType> = args
        .iter()
        .filter_map(|argument| Some((argument.arg.name, argument.ty?)))
        .collect();
    let mut resources = Resources::new();
    for (name, import) in imports {
        work.take(1)?;
        match (import, args.get(name)) {
            (ComponentEntityType::Instance(inner), Some(ArgumentType::Instance(outer))) => {
                instance(types, inner, *outer, user, &mut resources, work)?;
            }
            (ComponentEntityType::Type { referenced, .. }, Some(ArgumentType::Type(outer))) => {
                same(referenced, *outer, user, &mut resources);
            }
            _ => {}
        }
    }
    Some(resources)
}

/// Walks an instance as the component sees it, beside the one that it is given.
fn instance(
    types: &Types,
    inner: ComponentInstanceTypeId,
    outer: ComponentInstanceTypeId,
    user: &Resources,
    resources: &mut Resources,
    work: &mut Work,
) -> Option<()> {
    let mut open = vec![(inner, outer)];
    while let Some((inner, outer)) = open.pop() {
        let outer = &types[outer].exports;
        for (name, item) in &types[inner].exports {
            work.take(1)?;
            match (item.ty, outer.get(name).map(|item| item.ty)) {
                (
                    ComponentEntityType::Type { referenced, .. },
                    Some(ComponentEntityType::Type {
                        referenced: given, ..
                    }),
                ) => same(referenced, given, user, resources),
                (
                    ComponentEntityType::Instance(inner),
                    Some(ComponentEntityType::Instance(outer)),
                ) => open.push((inner, outer)),
                _ => {}
            }
        }
    }
    Some(())
}

fn same(
    inner: ComponentAnyTypeId,
    outer: ComponentAnyTypeId,
    user: &Resources,
    resources: &mut Resources,
) {
    if let (ComponentAnyTypeId::Resource(inner), ComponentAnyTypeId::Resource(outer)) =
        (inner, outer)
        && let Some(label) = user.get(&outer.resource())
    {
        resources.insert(inner.resource(), *label);
    }
}
