//! Core instances and canonical definitions of a component that is instantiated on paper.

use std::collections::HashMap;

use wasmparser::{CanonicalOption, Export, Instance};

use super::frame::CoreInstance;
use super::instance::CoreFunction;
use super::link::{Function, Linker, Made, Options};
use super::parse::Canonical;
use super::types;

impl<'a> Linker<'_, 'a, '_> {
    pub(super) fn core_instance(&mut self, frame: usize, instance: &Instance<'a>) -> Option<()> {
        let made = match instance {
            Instance::FromExports(exports) => self.core_names(frame, exports)?,
            Instance::Instantiate { module_index, args } => {
                let own = &self.frames[frame];
                let module = (*own.modules.get(*module_index as usize)?)?;
                self.work.take(8 * args.len())?;
                let mut given = HashMap::with_capacity(args.len());
                for arg in args {
                    given.insert(arg.name, *own.core_instances.get(arg.index as usize)?);
                }
                let names = &self.names;
                let instance = self.linked.core.instantiate(
                    module,
                    |core, instance, name| match *given.get(instance)? {
                        CoreInstance::Module(instance) => core.export(instance, name),
                        CoreInstance::Names(set) => names.get(set)?.get(name).copied(),
                    },
                    self.work,
                )?;
                CoreInstance::Module(instance)
            }
        };
        self.frames[frame].core_instances.push(made);
        Some(())
    }

    fn core_names(&mut self, frame: usize, exports: &[Export<'a>]) -> Option<CoreInstance> {
        self.work.take(64 + 8 * exports.len())?;
        let own = &self.frames[frame];
        let names = exports
            .iter()
            .map(|export| Some((export.name, own.core_item(export.kind, export.index)?)))
            .collect::<Option<_>>()?;
        self.names.push(names);
        Some(CoreInstance::Names(self.names.len() - 1))
    }

    /// Defines a function. One that is not understood is unknown, which does not touch the others.
    pub(super) fn canonical(&mut self, frame: usize, canonical: &Canonical) {
        if let Canonical::Lift {
            function,
            ty,
            options,
        } = canonical
        {
            let lifted = self
                .function_type(frame, *ty)
                .zip(self.options(frame, options));
            let lifted = lifted.map_or(Function::Unknown, |(ty, options)| Function::Lift {
                function: self.frames[frame].core_function(*function),
                ty,
                options,
            });
            let number = self.linked.functions.len() as u32;
            self.linked.functions.push(lifted);
            self.frames[frame].functions.push(number);
            return;
        }
        let signature = match canonical {
            Canonical::Lower { signature, .. } | Canonical::Resource { signature, .. } => {
                *signature
            }
            _ => None,
        };
        let made = self.made(frame, canonical).unwrap_or(Made::Unknown);
        let number = self.linked.made.len() as u32;
        self.linked.made.push((made, signature));
        self.frames[frame]
            .core_functions
            .push(CoreFunction::Canonical(number));
    }

    fn made(&mut self, frame: usize, canonical: &Canonical) -> Option<Made> {
        match canonical {
            Canonical::Lower {
                function,
                ty,
                options,
                ..
            } => Some(Made::Lower {
                function: *self.frames[frame].functions.get(*function as usize)?,
                ty: self.function_type(frame, *ty)?,
                options: self.options(frame, options)?,
            }),
            Canonical::Resource {
                operation,
                resource,
                ..
            } => Some(Made::Resource {
                operation: *operation,
                resource: *self.frames[frame].resources.get(&(*resource)?.resource())?,
                frame: frame as u32,
            }),
            Canonical::Lift { .. } | Canonical::Unknown => None,
        }
    }

    fn function_type(
        &mut self,
        frame: usize,
        ty: wasmparser::component_types::ComponentFuncTypeId,
    ) -> Option<[u8; 32]> {
        self.work.take(32)?;
        let resources = &self.frames[frame].resources;
        types::function(&self.parsed.types, ty, resources, self.work)
    }

    fn options(&self, frame: usize, options: &[CanonicalOption]) -> Option<Options> {
        let own = &self.frames[frame];
        let mut found = Options {
            encoding: 0,
            memory: None,
            realloc: None,
            post_return: None,
            frame: frame as u32,
        };
        for option in options {
            match *option {
                CanonicalOption::UTF8 => found.encoding = 0,
                CanonicalOption::UTF16 => found.encoding = 1,
                CanonicalOption::CompactUTF16 => found.encoding = 2,
                CanonicalOption::Memory(memory) => found.memory = Some(own.memory(memory)),
                CanonicalOption::Realloc(function) => {
                    found.realloc = Some(own.core_function(function));
                }
                CanonicalOption::PostReturn(function) => {
                    found.post_return = Some(own.core_function(function));
                }
                _ => return None,
            }
        }
        Some(found)
    }
}
