//! Defects that there once were, each with its story. They are here, and not with their subjects,
//! because each needs a special plugin, a special client, or a special surrounding to show.

mod command_line;
mod dangling;
mod deletion;
mod endings;
mod evasion;
mod folders;
mod heads;
mod holdups;
mod limits;
mod named_pipes;
mod segments;
mod stderr;
mod surroundings;
mod suspended;
mod turns;
mod undelivered;
mod waterline;
