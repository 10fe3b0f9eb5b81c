/** Put text on the clipboard, also where the asynchronous clipboard is missing (plain HTTP); false when refused. */
export async function copyText(text: string): Promise<boolean> {
  // lib.dom calls it always there; on plain HTTP it is not.
  const clipboard = navigator.clipboard as Clipboard | undefined
  if (clipboard !== undefined) {
    try {
      await clipboard.writeText(text)
      return true
    } catch {
      // Not allowed now: the old way may still be.
    }
  }
  return byCommand(text)
}

function byCommand(text: string): boolean {
  const onCopy = (event: ClipboardEvent): void => {
    event.preventDefault()
    event.clipboardData?.setData('text/plain', text)
  }
  document.addEventListener('copy', onCopy, { once: true })
  try {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without a secure context
    return document.execCommand('copy')
  } finally {
    document.removeEventListener('copy', onCopy)
  }
}

/** Hand a file to the browser's downloads. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The download holds the data once it began; a minute is more than any browser takes to begin.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
