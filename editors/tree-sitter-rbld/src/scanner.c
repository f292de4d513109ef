// What a regular expression can't read of rbld: which newlines count, texts whose quotes are counted, and
// documentation, which stands in column 0. It knows no grammar: the parser says which of these may come.

#include <string.h>

#include "tree_sitter/alloc.h"
#include "tree_sitter/parser.h"

// The order of `externals` in grammar.js.
enum Token {
  ITEM_END,
  ENTRY_END,
  TEXT_OPEN,
  RAW_OPEN,
  TEXT_CHARS,
  RAW_CHARS,
  QUOTES_CLOSE,
  STRING_CHARS,
  DOC_COMMENT,
  // The ten words that begin an item, in column 0.
  USE,
  TYPE,
  LET,
  FN,
  INPUT,
  ENV,
  RECIPE,
  BUILD,
  ASSERT,
  TEST,
  // Never in the grammar: it may come only while the parser recovers from an error, when everything may.
  ERROR,
};

// With how many quotes the text opened that is being read. Texts don't nest: `@{…}` in one holds no three quotes.
typedef struct {
  uint32_t quotes;
} Scanner;

static void advance(TSLexer *lexer) { lexer->advance(lexer, false); }

static void skip(TSLexer *lexer) { lexer->advance(lexer, true); }

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool is_small(int32_t c) { return c >= 'a' && c <= 'z'; }

static void to_line_end(TSLexer *lexer) {
  while (!lexer->eof(lexer) && lexer->lookahead != '\n') advance(lexer);
}

static uint32_t count_quotes(TSLexer *lexer) {
  uint32_t count = 0;
  while (lexer->lookahead == '"') {
    advance(lexer);
    count++;
  }
  return count;
}

// Whether an item begins here, in column 0: one of the ten words, with a name, a text or a path behind it. Its token, or
// ERROR; `take`: the token ends with the word.
static enum Token scan_keyword(TSLexer *lexer, bool take) {
  static const char *const KEYWORDS[] = {"use",    "type",  "let",    "fn",  "input", "env",
                                         "recipe", "build", "assert", "test"};
  char word[8] = {0};
  for (unsigned length = 0; length < sizeof word - 1 && is_small(lexer->lookahead); length++) {
    word[length] = (char)lexer->lookahead;
    advance(lexer);
  }
  if (take) lexer->mark_end(lexer);
  if (!is_blank(lexer->lookahead)) return ERROR;
  while (is_blank(lexer->lookahead)) advance(lexer);
  int32_t next = lexer->lookahead;
  bool more = is_small(next) || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') || next == '_' ||
              next == '"' || next == '.';
  for (unsigned i = 0; more && i < sizeof KEYWORDS / sizeof *KEYWORDS; i++) {
    if (strcmp(word, KEYWORDS[i]) == 0) return USE + i;
  }
  return ERROR;
}

// At a newline that may end something. It doesn't when the next line that holds more than a comment goes on with the
// value (`.field`), nor, in braces, when a comma or the closing brace follows.
static bool scan_end(TSLexer *lexer, const bool *valid) {
  bool item = valid[ITEM_END];
  lexer->result_symbol = item ? ITEM_END : ENTRY_END;
  if (lexer->eof(lexer)) {
    lexer->mark_end(lexer);
    return item;
  }
  advance(lexer);
  lexer->mark_end(lexer);
  for (;;) {
    if (is_blank(lexer->lookahead) || lexer->lookahead == '\n') {
      advance(lexer);
    } else if (lexer->lookahead == '#') {
      to_line_end(lexer);
    } else {
      break;
    }
  }
  if (lexer->lookahead == '.') return false;
  return item || !(lexer->lookahead == ',' || lexer->lookahead == '}' || lexer->eof(lexer));
}

// `"""…` or `@"""…`; one or two quotes are a text on one line, which is the grammar's.
static bool scan_open(Scanner *scanner, TSLexer *lexer, const bool *valid) {
  bool text = lexer->lookahead == '@';
  if (text) advance(lexer);
  if (!valid[text ? TEXT_OPEN : RAW_OPEN]) return false;
  uint32_t quotes = count_quotes(lexer);
  if (quotes < 3) return false;
  scanner->quotes = quotes;
  lexer->mark_end(lexer);
  lexer->result_symbol = text ? TEXT_OPEN : RAW_OPEN;
  return true;
}

// In a text of three quotes or more: up to its end or to `@{`, or the quotes that close it. When more stand there than
// it opened with, the last ones close. A text that isn't closed ends before the next item.
static bool scan_text(const Scanner *scanner, TSLexer *lexer, const bool *valid) {
  bool filled = valid[TEXT_CHARS];
  bool any = false;
  if (lexer->get_column(lexer) == 0) {
    enum Token keyword = scan_keyword(lexer, true);
    if (keyword != ERROR) {
      lexer->result_symbol = keyword;
      return true;
    }
    any = lexer->get_column(lexer) > 0;
  }
  lexer->result_symbol = filled ? TEXT_CHARS : RAW_CHARS;
  while (!lexer->eof(lexer)) {
    lexer->mark_end(lexer);
    switch (lexer->lookahead) {
      case '"': {
        advance(lexer);
        if (!any) lexer->mark_end(lexer);
        uint32_t count = 1 + count_quotes(lexer);
        if (count < scanner->quotes) break;
        // What stands before the quotes is a token of its own; then, quote by quote, those that are too many.
        if (any || count > scanner->quotes) return true;
        lexer->mark_end(lexer);
        lexer->result_symbol = QUOTES_CLOSE;
        return true;
      }
      case '@':
        advance(lexer);
        if (filled && lexer->lookahead == '{') return any;
        break;
      case '\n':
        advance(lexer);
        lexer->mark_end(lexer);
        if (scan_keyword(lexer, false) != ERROR) return true;
        break;
      default:
        advance(lexer);
    }
    any = true;
  }
  lexer->mark_end(lexer);
  return any;
}

static bool scan_string(TSLexer *lexer) {
  bool any = false;
  lexer->result_symbol = STRING_CHARS;
  while (!lexer->eof(lexer) && lexer->lookahead != '"' && lexer->lookahead != '\\' && lexer->lookahead != '\n') {
    bool at = lexer->lookahead == '@';
    lexer->mark_end(lexer);
    advance(lexer);
    if (at && lexer->lookahead == '{') return any;
    any = true;
  }
  lexer->mark_end(lexer);
  return any;
}

static bool scan_doc(TSLexer *lexer) {
  advance(lexer);
  if (lexer->lookahead != '#') return false;
  to_line_end(lexer);
  lexer->mark_end(lexer);
  lexer->result_symbol = DOC_COMMENT;
  return true;
}

bool tree_sitter_rbld_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  Scanner *scanner = payload;
  if (!valid[ERROR]) {
    if (valid[TEXT_CHARS] || valid[RAW_CHARS] || valid[QUOTES_CLOSE]) return scan_text(scanner, lexer, valid);
    if (valid[STRING_CHARS] && lexer->lookahead != '\n') return scan_string(lexer);
  }
  bool column0 = lexer->get_column(lexer) == 0;
  for (;;) {
    bool end = lexer->lookahead == '\n' || lexer->eof(lexer);
    if (end && (valid[ITEM_END] || valid[ENTRY_END]) && !valid[ERROR]) return scan_end(lexer, valid);
    if (lexer->eof(lexer)) return false;
    if (lexer->lookahead == '\n') {
      column0 = true;
    } else if (is_blank(lexer->lookahead)) {
      column0 = false;
    } else {
      break;
    }
    skip(lexer);
  }
  if (column0 && is_small(lexer->lookahead)) {
    // Also where the parser expects none: whatever is open above it, an item begins, as rbld cuts files.
    lexer->result_symbol = scan_keyword(lexer, true);
    return lexer->result_symbol != ERROR;
  }
  if (lexer->lookahead == '#' && column0 && valid[DOC_COMMENT]) return scan_doc(lexer);
  if (lexer->lookahead == '"' || lexer->lookahead == '@') return scan_open(scanner, lexer, valid);
  return false;
}

void *tree_sitter_rbld_external_scanner_create(void) { return ts_calloc(1, sizeof(Scanner)); }

void tree_sitter_rbld_external_scanner_destroy(void *payload) { ts_free(payload); }

unsigned tree_sitter_rbld_external_scanner_serialize(void *payload, char *buffer) {
  memcpy(buffer, payload, sizeof(Scanner));
  return sizeof(Scanner);
}

void tree_sitter_rbld_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  Scanner *scanner = payload;
  scanner->quotes = 0;
  if (length == sizeof(Scanner)) memcpy(scanner, buffer, length);
}
