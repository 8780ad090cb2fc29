-- Opens a file with rust-analyzer attached, waits for a diagnostic of ours, asks for its quick fixes, applies the first,
-- and prints what was seen as one line of JSON.
local root, analyzer, audit, result = unpack(vim.fn.json_decode(vim.env.RLS_AUDIT_EDITOR_TEST))

local settings = {
  cargo = { sysroot = vim.NIL, buildScripts = { enable = false } },
  procMacro = { enable = false },
  cachePriming = { enable = false },
  checkOnSave = true,
  check = { overrideCommand = { audit, "--message-format=json" } },
}

vim.cmd("edit " .. root .. "/src/lib.rs")
local client = vim.lsp.start_client({
  name = "rust-analyzer",
  cmd = { analyzer },
  root_dir = root,
  workspace_folders = { { uri = vim.uri_from_fname(root), name = "api" } },
  init_options = settings,
  settings = { ["rust-analyzer"] = settings },
})
vim.lsp.buf_attach_client(0, client)

local function ours()
  for _, diagnostic in ipairs(vim.diagnostic.get(0)) do
    if diagnostic.source == "rls_audit" then
      return diagnostic
    end
  end
end
vim.wait(120000, function() return ours() ~= nil end, 50)

local seen = { diagnostic = ours() }
if seen.diagnostic then
  local at = { line = seen.diagnostic.lnum, character = seen.diagnostic.col }
  local raw = seen.diagnostic.user_data and seen.diagnostic.user_data.lsp or {}
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(0) },
    range = { start = at, ["end"] = at },
    context = { diagnostics = {} },
  }
  seen.code = raw.code
  local answers = vim.lsp.buf_request_sync(0, "textDocument/codeAction", params, 60000) or {}
  seen.actions = {}
  for _, answer in pairs(answers) do
    for _, action in ipairs(answer.result or {}) do
      table.insert(seen.actions, action.title)
      if action.edit and action.title:find("allow", 1, true) then
        vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
      end
    end
  end
  seen.text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end
seen.diagnostic = seen.diagnostic and {
  line = seen.diagnostic.lnum,
  column = seen.diagnostic.col,
  end_column = seen.diagnostic.end_col,
  severity = seen.diagnostic.severity,
  message = seen.diagnostic.message,
} or vim.NIL
vim.fn.writefile({ vim.fn.json_encode(seen) }, result)
vim.cmd("qall!")
