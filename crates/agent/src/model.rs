//! The API's JSON in one place, for programs that read it. Each type stands in the folder of its feature.

pub use crate::describe::model::*;
pub use crate::features::bans::model::*;
pub use crate::features::events::model::*;
pub use crate::features::faults::model::*;
pub use crate::features::joining::model::*;
pub use crate::features::keys::model::*;
pub use crate::features::membership::model::*;
pub use crate::features::operation::model::*;
pub use crate::features::phi::model::*;
pub use crate::features::queries::model::*;
pub use crate::features::reload::model::*;
pub use crate::features::sql::model::*;
pub use crate::features::tags::model::*;
pub use crate::features::vitals::model::*;
pub use crate::handlers::model::*;
