//! Targets for the fixture `scripted`, in words.

/// What an export does (see scripted.wat).
#[derive(Clone, Copy, Debug)]
pub enum Act {
    GoOn,
    Finish,
    Pass,
    Hold,
    Reject,
    /// Reject, with status 403.
    Forbid,
    /// Status 202, go on.
    Accept,
    SetTimer,
    /// Set a timer and cancel it.
    CancelTimer,
    SetTimerInAnHour,
    Trap,
    Loop,
    SleepAnHour,
    ExitWith0,
    ExitWith3,
}

/// An export that does it without a word.
pub fn quiet(act: Act) -> char {
    match act {
        Act::GoOn => 'A',
        Act::Finish => 'B',
        Act::Pass => 'C',
        Act::Hold => 'D',
        Act::Reject => 'N',
        Act::Forbid => 'F',
        Act::Accept => 'V',
        Act::SetTimer => 'T',
        Act::CancelTimer => 'K',
        Act::SetTimerInAnHour => 'H',
        Act::Trap => 'U',
        Act::Loop => 'L',
        Act::SleepAnHour => 'S',
        Act::ExitWith0 => 'Q',
        Act::ExitWith3 => 'X',
    }
}

/// An export that emits its name ("open;", "chunk;", "end;", "timer;") before it does it.
pub fn say(act: Act) -> char {
    quiet(act).to_ascii_lowercase()
}

/// What each export does; an export that is not told anything returns 0 without a word.
#[derive(Clone, Copy)]
pub struct Script {
    letters: [char; 6],
}

impl Script {
    pub fn new() -> Script {
        Script { letters: [quiet(Act::GoOn); 6] }
    }

    pub fn open(self, letter: char) -> Script {
        self.set(0, letter)
    }

    /// Every `on_chunk`.
    pub fn chunk(self, letter: char) -> Script {
        self.set(1, letter).set(2, letter)
    }

    /// Every `on_chunk` but the first.
    pub fn later_chunk(self, letter: char) -> Script {
        self.set(2, letter)
    }

    pub fn end(self, letter: char) -> Script {
        self.set(3, letter)
    }

    /// Every `on_timer`.
    pub fn timer(self, letter: char) -> Script {
        self.set(4, letter).set(5, letter)
    }

    /// Every `on_timer` but the first.
    pub fn later_timer(self, letter: char) -> Script {
        self.set(5, letter)
    }

    pub fn target(&self) -> String {
        let letters: String = self.letters.iter().collect();
        format!("/scripted?{letters}")
    }

    fn set(mut self, position: usize, letter: char) -> Script {
        self.letters[position] = letter;
        self
    }
}
