//! A component, read but not instantiated: the steps of each component in it, and its core modules.
//!
//! The structure is validated on the way, with the features of the sandbox's engine. The bodies of functions are not:
//! whoever reads them checks every index.

use wasmparser::component_types::{
    AliasableResourceId, ComponentAnyTypeId, ComponentEntityType, ComponentFuncTypeId,
    ComponentInstanceTypeId,
};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExport, ComponentExternalKind,
    ComponentInstance, ComponentInstantiationArg, Encoding, Instance, Parser, Payload,
    ValidPayload, Validator,
};

use super::module::{Module, SignatureId, Signatures};
use crate::engine::FEATURES;
use crate::error::LoadError;

/// Everything that a binary defines. Nested definitions are numbered as they end, the outermost component is last.
pub(super) struct Parsed<'a> {
    pub(super) modules: Vec<Module<'a>>,
    pub(super) components: Vec<Component<'a>>,
    pub(super) signatures: Signatures,
    pub(super) types: Types,
}

#[derive(Default)]
pub(super) struct Component<'a> {
    pub(super) steps: Vec<Step<'a>>,
}

/// One definition in a component: it adds to an index space.
pub(super) enum Step<'a> {
    Module(usize),
    Component(usize),
    CoreInstance(Instance<'a>),
    Instantiate {
        component: u32,
        args: Vec<Argument<'a>>,
    },
    Bundle(Box<[ComponentExport<'a>]>),
    Alias(ComponentAlias<'a>),
    Canonical(Canonical),
    Import {
        name: &'a str,
        ty: ComponentEntityType,
    },
    Export(ComponentExport<'a>),
    /// Something that is not understood.
    Unknown,
}

pub(super) struct Argument<'a> {
    pub(super) arg: ComponentInstantiationArg<'a>,
    /// Its type, where resources may come with it.
    pub(super) ty: Option<ArgumentType>,
}

#[derive(Clone, Copy)]
pub(super) enum ArgumentType {
    Instance(ComponentInstanceTypeId),
    Type(ComponentAnyTypeId),
}

/// What a canonical definition makes a function of, in the index spaces of its component.
pub(super) enum Canonical {
    Lift {
        function: u32,
        ty: ComponentFuncTypeId,
        options: Box<[CanonicalOption]>,
    },
    Lower {
        function: u32,
        ty: ComponentFuncTypeId,
        options: Box<[CanonicalOption]>,
        signature: Option<SignatureId>,
    },
    Resource {
        operation: ResourceOperation,
        resource: Option<AliasableResourceId>,
        signature: Option<SignatureId>,
    },
    /// A core function of which nothing is known.
    Unknown,
}

#[derive(Clone, Copy)]
pub(super) enum ResourceOperation {
    New = 0,
    Drop = 1,
    Rep = 2,
}

enum Open<'a> {
    Module(Module<'a>),
    Component(Component<'a>),
}

/// Reads a component.
///
/// # Errors
///
/// When its structure is not valid.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, LoadError> {
    let parsed = read(bytes).map_err(|error| LoadError::Invalid {
        reason: error.to_string(),
        advice: "",
    })?;
    parsed.ok_or_else(|| LoadError::NotWasm("it has no end".to_owned()))
}

fn read(bytes: &[u8]) -> wasmparser::Result<Option<Parsed<'_>>> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut open = Vec::new();
    let (mut modules, mut components) = (Vec::new(), Vec::new());
    let mut signatures = Signatures::default();
    let mut types = None;

    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        // The section adds its functions behind these.
        let functions_before = match &payload {
            Payload::ComponentCanonicalSection(_) => {
                validator.types(0).map_or(0, |types| types.function_count())
            }
            _ => 0,
        };
        if let ValidPayload::End(ended) = validator.payload(&payload)? {
            types = Some(ended);
        }
        match payload {
            Payload::Version { encoding, .. } => open.push(match encoding {
                Encoding::Module => Open::Module(Module::default()),
                Encoding::Component => Open::Component(Component::default()),
            }),
            Payload::End(_) => {
                let step = match open.pop() {
                    Some(Open::Module(module)) => {
                        modules.push(module);
                        Step::Module(modules.len() - 1)
                    }
                    Some(Open::Component(component)) => {
                        components.push(component);
                        Step::Component(components.len() - 1)
                    }
                    None => continue,
                };
                if let Some(Open::Component(outer)) = open.last_mut() {
                    outer.steps.push(step);
                }
            }
            payload => match (open.last_mut(), validator.types(0)) {
                (Some(Open::Module(module)), _) => module.read(payload, &mut signatures)?,
                (Some(Open::Component(component)), Some(types)) => Reader {
                    steps: &mut component.steps,
                    types,
                    signatures: &mut signatures,
                }
                .section(payload, functions_before)?,
                _ => {}
            },
        }
    }
    Ok(types.map(|types| Parsed {
        modules,
        components,
        signatures,
        types,
    }))
}

/// Reads the sections of a component.
struct Reader<'r, 'a> {
    steps: &'r mut Vec<Step<'a>>,
    types: TypesRef<'r>,
    signatures: &'r mut Signatures,
}

impl<'a> Reader<'_, 'a> {
    fn section(&mut self, payload: Payload<'a>, functions_before: u32) -> wasmparser::Result<()> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.steps.push(Step::CoreInstance(instance?));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    let step = self.instance(instance?);
                    self.steps.push(step);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.steps.push(Step::Alias(alias?));
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                let mut index = functions_before;
                for function in functions {
                    let canonical = self.canonical(function?, index);
                    index += u32::from(!matches!(canonical, Canonical::Lift { .. }));
                    self.steps.push(Step::Canonical(canonical));
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let name = import?.name.name;
                    let item = self.types.component_item_for_import(name);
                    self.steps.push(match item {
                        Some(item) => Step::Import { name, ty: item.ty },
                        None => Step::Unknown,
                    });
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    self.steps.push(Step::Export(export?));
                }
            }
            // Types are asked of the validator; sections that open a module or component come again as its version.
            Payload::CoreTypeSection(_)
            | Payload::ComponentTypeSection(_)
            | Payload::ModuleSection { .. }
            | Payload::ComponentSection { .. }
            | Payload::CustomSection(_) => {}
            _ => self.steps.push(Step::Unknown),
        }
        Ok(())
    }

    fn instance(&self, instance: ComponentInstance<'a>) -> Step<'a> {
        match instance {
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => Step::Instantiate {
                component: component_index,
                args: args.into_iter().map(|arg| self.argument(arg)).collect(),
            },
            ComponentInstance::FromExports(exports) => Step::Bundle(exports),
        }
    }

    fn argument(&self, arg: ComponentInstantiationArg<'a>) -> Argument<'a> {
        let ty = match arg.kind {
            ComponentExternalKind::Instance => Some(ArgumentType::Instance(
                self.types.component_instance_at(arg.index),
            )),
            ComponentExternalKind::Type => Some(ArgumentType::Type(
                self.types.component_any_type_at(arg.index),
            )),
            _ => None,
        };
        Argument { arg, ty }
    }

    fn canonical(&mut self, function: CanonicalFunction, index: u32) -> Canonical {
        let mut resource = |operation, resource| Canonical::Resource {
            operation,
            resource: match self.types.component_any_type_at(resource) {
                ComponentAnyTypeId::Resource(id) => Some(id),
                _ => None,
            },
            signature: signature(self.types, self.signatures, index),
        };
        match function {
            CanonicalFunction::Lift {
                core_func_index,
                type_index,
                options,
            } => match self.types.component_any_type_at(type_index) {
                ComponentAnyTypeId::Func(ty) => Canonical::Lift {
                    function: core_func_index,
                    ty,
                    options,
                },
                _ => Canonical::Unknown,
            },
            CanonicalFunction::Lower {
                func_index,
                options,
            } => Canonical::Lower {
                function: func_index,
                ty: self.types.component_function_at(func_index),
                options,
                signature: signature(self.types, self.signatures, index),
            },
            CanonicalFunction::ResourceNew { resource: id } => resource(ResourceOperation::New, id),
            CanonicalFunction::ResourceDrop { resource: id } => {
                resource(ResourceOperation::Drop, id)
            }
            CanonicalFunction::ResourceRep { resource: id } => resource(ResourceOperation::Rep, id),
            _ => Canonical::Unknown,
        }
    }
}

/// The signature of a core function of the component.
fn signature(types: TypesRef<'_>, signatures: &mut Signatures, index: u32) -> Option<SignatureId> {
    if index >= types.function_count() {
        return None;
    }
    match &types[types.core_function_at(index)].composite_type.inner {
        wasmparser::CompositeInnerType::Func(ty) => signatures.intern(ty),
        _ => None,
    }
}
