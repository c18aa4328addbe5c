//! The keyboard: a thread that waits for it, and what its keys are called here.

use super::app::Key;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// Keys that may wait while the screen is busy.
const WAITING: usize = 64;
/// How often the thread looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(200);

/// Keys as they are pressed; `None` says that the terminal has another size. Ends when the terminal does.
pub(super) fn listen() -> Receiver<Option<Key>> {
    let (sender, receiver) = channel(WAITING);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let input = match event::poll(LOOK) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            let input = match input {
                Ok(Event::Key(pressed)) => key(pressed).map(Some),
                Ok(Event::Resize(..)) => Some(None),
                Ok(_) => None,
                Err(_) => return,
            };
            if input.is_some_and(|input| sender.blocking_send(input).is_err()) {
                return;
            }
        }
    });
    receiver
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    Some(match pressed.code {
        KeyCode::Char('c' | 'd') if control => Key::Quit,
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right => Key::Across,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}
