// What every page does with JavaScript; without it pages can still be read, and forms sent.
import './clock.js';
import './copy.js';
import './theme.js';
import './dialogs.js';
import './forms.js';
import './keys.js';
import './rows.js';
import './symbols.js';
