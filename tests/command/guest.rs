//! A component that a test calls without a flow, with WAVE text.

use std::fs;

use flowstone::core::{Function, from_wave, to_wave};
use flowstone::{CallError, Component, Limits, Output};
use flowstone_tests::Project;

use crate::build::built;

/// A component.
pub(crate) struct Guest(Component);

impl Guest {
    /// What a folder of the project is built to.
    pub(crate) fn of(project: &Project, folder: &str) -> Self {
        let built = built(project, &[folder]);
        Self::read(project, built["component"].as_str().expect("a path"))
    }

    /// A component file of the project.
    pub(crate) fn read(project: &Project, file: &str) -> Self {
        let bytes = fs::read(project.path(file)).expect("it was written");
        Self(Component::load(file, &bytes).expect("it is a component"))
    }

    /// The names of its functions.
    pub(crate) fn functions(&self) -> Vec<&str> {
        let functions = self.0.interface().functions.iter();
        functions.map(|function| &*function.name).collect()
    }

    fn function(&self, name: &str) -> &Function {
        self.0.interface().function(name).expect("it is exported")
    }

    /// A call with WAVE text.
    pub(crate) fn call(
        &self,
        name: &str,
        arguments: &[impl AsRef<str>],
    ) -> Result<Output, CallError> {
        let function = self.function(name);
        assert_eq!(function.params.len(), arguments.len(), "{function}");
        let arguments: Vec<_> = function
            .params
            .iter()
            .zip(arguments)
            .map(|(param, text)| from_wave(text.as_ref(), &param.ty).expect("it is of its type"))
            .collect();
        self.0
            .call(&function.name, &arguments, &Limits::default(), [0; 32])
            .expect("the function is there")
    }

    /// What a call gives as WAVE text, or why it fails.
    pub(crate) fn answer(&self, name: &str, arguments: &[impl AsRef<str>]) -> String {
        match self.call(name, arguments) {
            Ok(output) => {
                let result = self.function(name).result.as_ref();
                let ty = result.expect("it gives something");
                to_wave(&output.value.expect("it gives something"), ty)
            }
            Err(error) => error.reason,
        }
    }
}
