"use strict"; // litequeue: what the page does by itself
