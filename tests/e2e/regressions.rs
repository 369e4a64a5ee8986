//! Defects that there once were, each with its story. They are here, and not with their subjects,
//! because each needs a special plugin, a special client, or a special surrounding to show.

mod command_line;
mod deletion;
mod endings;
mod limits;
mod segments;
mod stderr;
mod turns;
