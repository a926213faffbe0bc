//! Answers that many operations have in common, for the description of the API: what the guard, the extractors and a stopping agent answer.
//!
//! An operation describes only what is its own. These are added to every operation that can give them, by what it reads, so that none is forgotten.

use crate::describe::model::Error;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response};

/// One answer that operations share.
struct Shared {
    /// Its name among the components.
    name: &'static str,
    status: &'static str,
    /// Whether an operation can give it.
    applies: fn(&Operation) -> bool,
    description: &'static str,
}

static SHARED: [Shared; 8] = [
    Shared {
        name: "BadRequest",
        status: "400",
        applies: |operation| reads_parameters(operation) || reads_a_body(operation),
        description: "A parameter or the body cannot be read, or makes no sense.",
    },
    Shared {
        name: "Unauthorized",
        status: "401",
        applies: |_| true,
        description: "This address asks for a token, and there is none, or a wrong one.",
    },
    Shared {
        name: "Forbidden",
        status: "403",
        applies: |_| true,
        description: "On loopback: `Host` or `Origin` shows that a web page may be behind this.",
    },
    Shared {
        name: "BodyTooSlow",
        status: "408",
        applies: reads_a_body,
        description: "The body did not arrive in time.",
    },
    Shared {
        name: "BodyTooLarge",
        status: "413",
        applies: reads_a_body,
        description: "The body is too large.",
    },
    Shared {
        name: "BodyNotJson",
        status: "415",
        applies: reads_a_body,
        description: "The body is not marked as JSON (`Content-Type: application/json`).",
    },
    Shared {
        name: "BodyOfAnotherShape",
        status: "422",
        applies: reads_a_body,
        description: "The body is JSON of another shape, such as with a field that is not known.",
    },
    Shared {
        name: "Unavailable",
        status: "503",
        applies: |_| true,
        description: "The agent stops, its disk or its node does not answer, or it has all the connections that it takes.",
    },
];

fn reads_parameters(operation: &Operation) -> bool {
    operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty())
}

fn reads_a_body(operation: &Operation) -> bool {
    operation.request_body.is_some()
}

impl Shared {
    fn response(&self) -> Response {
        let error = Content::new(Some(Ref::from_schema_name(Error::name())));
        ResponseBuilder::new().description(self.description).content("application/json", error).build()
    }
}

/// Adds the shared answers to each operation that can give them. An answer that the operation describes itself stays.
pub fn describe(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::default);
    components
        .responses
        .extend(SHARED.iter().map(|shared| (shared.name.into(), RefOr::T(shared.response()))));
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch, &mut item.head];
        for operation in operations.into_iter().flatten() {
            for shared in &SHARED {
                if (shared.applies)(operation) {
                    let answers = &mut operation.responses.responses;
                    let reference = || RefOr::Ref(Ref::from_response_name(shared.name));
                    answers.entry(shared.status.into()).or_insert_with(reference);
                }
            }
        }
    }
}
