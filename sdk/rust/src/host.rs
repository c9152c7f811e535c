//! What a flowstone host offers, as wit-bindgen has it. A component imports only what its functions use.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]

wit_bindgen::generate!({
    inline: "
        package flowstone:sdk;

        world host {
            import flowstone:plugin/log@0.1.0;
            import flowstone:plugin/row@0.1.0;
        }
    ",
    path: ["../../wit"],
    generate_all,
});

pub(crate) use self::flowstone::plugin::{log, row};
